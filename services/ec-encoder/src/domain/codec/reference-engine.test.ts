import { describe } from 'vitest';
import { matrixEngineConformance } from './matrix-engine.conformance.ts';
import { referenceEngine } from './reference-engine.ts';

describe('the engine in plain TypeScript', () => {
  matrixEngineConformance(() => referenceEngine);
});
