/**
 * Rules between the fields of a custom resource's spec. Each is written twice, in CEL for the API server and in TypeScript for servers
 * without CEL, for policies from files and for the brain; a property test holds the two together.
 *
 * CEL's part is deliberately small: comparisons of bounded fields, `has()` before what may be absent, no regular expression and no
 * duration, so that every server since 1.25 takes the rules and none can run out of its cost budget.
 */
export interface SpecRule<S> {
  /** The field to change, with dots, below `spec`. */
  readonly path: string;
  /** CEL over `self`, the spec with its defaults. */
  readonly rule: string;
  /** What must hold, as the field's predicate: "must be above lowWatermarkIOPS". */
  readonly message: string;
  readonly holds: (spec: S) => boolean;
  /** The values at fault, for a message that shows them. */
  readonly values?: (spec: S) => string;
  /** The bounds of the field itself refuse it too; the rule is there for its words. */
  readonly isBound?: true;
}

export interface RuleBreach {
  readonly path: string;
  readonly message: string;
  readonly isBound: boolean;
}

export function breachesOf<S>(rules: readonly SpecRule<S>[], spec: S): RuleBreach[] {
  return rules
    .filter(({ holds }) => !holds(spec))
    .map(({ path, message, values, isBound = false }) => ({
      path,
      message: values === undefined ? message : `${message} (${values(spec)})`,
      isBound,
    }));
}

/** A zod refinement by the rules; a field's own bounds have reported what they refuse. */
export function refineBy<S>(rules: readonly SpecRule<S>[]) {
  return (spec: S, context: { addIssue(issue: { code: 'custom'; path: string[]; message: string }): void }): void => {
    for (const { path, message } of breachesOf(rules, spec).filter(({ isBound }) => !isBound)) {
      context.addIssue({ code: 'custom', path: path.split('.'), message });
    }
  };
}

/** `spec.dataShards: must be ...`, as every other fault of a policy is told. */
export function describeBreach({ path, message }: Pick<RuleBreach, 'path' | 'message'>): string {
  return `spec.${path}: ${message}`;
}
