/** Every mutant, in the order of docs/mutants.md. */
import { deciding } from './deciding.ts';
import { growing } from './growing.ts';
import type { Mutant } from './mutant.ts';
import { running } from './running.ts';
import { shrinking } from './shrinking.ts';

export const mutants: readonly Mutant[] = [...shrinking, ...growing, ...running, ...deciding];
