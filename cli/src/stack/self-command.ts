/** How this program starts itself again, for a service as a child process: from source through tsx, built as it is. */
import { fileURLToPath } from 'node:url';

export function selfCommand(): { path: string; args: string[] } {
  const fromSource = import.meta.url.endsWith('.ts');
  const main = fileURLToPath(new URL(fromSource ? '../main.ts' : '../main.js', import.meta.url));
  // tsx by its full address: a child may run in any folder.
  return { path: process.execPath, args: fromSource ? ['--conditions=source', '--import', import.meta.resolve('tsx'), main] : [main] };
}
