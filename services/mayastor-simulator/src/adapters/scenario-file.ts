/** Reads a scenario. Every problem is told at once, by file, field and cure. */
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { type Scenario, scenarioSchema } from '../domain/scenario.ts';
import { SimulatorError } from '../errors.ts';

export function readScenario(path: string): Scenario {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new SimulatorError('SCENARIO_UNREADABLE', { file: path }, { cause: error });
  }
  return parseScenario(text, path);
}

export function parseScenario(text: string, file: string): Scenario {
  const document = parseDocument(text);
  const [broken] = document.errors;
  if (broken !== undefined) {
    throw new SimulatorError('SCENARIO_INVALID', { file, problems: `not YAML: ${broken.message}` });
  }
  const parsed = scenarioSchema.safeParse(document.toJS());
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${formatPath(issue.path)}: ${issue.message}`).join('; ');
    throw new SimulatorError('SCENARIO_INVALID', { file, problems });
  }
  return parsed.data;
}

function formatPath(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return text === '' ? '(top level)' : text.replace(/^\./, '');
}
