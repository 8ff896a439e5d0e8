/** The generated pages by their path from the root of the repository. */
import { configurationPage } from './configuration.ts';
import { errorsPage } from './errors.ts';
import { eventsPage } from './events.ts';
import { faultTablePage } from './fault-table.ts';
import { metricsPage } from './metrics.ts';

export async function generatedPages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['docs/events.md', eventsPage()],
    ['docs/configuration.md', configurationPage()],
    ['docs/errors.md', await errorsPage()],
    ['docs/fault-table.md', faultTablePage()],
    ['docs/metrics.md', metricsPage()],
  ]);
}
