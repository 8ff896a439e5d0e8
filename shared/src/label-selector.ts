/** Kubernetes label selectors: `matchLabels` and `matchExpressions`, all of which must hold. */
import { z } from 'zod';

export type Labels = Readonly<Record<string, string>>;

const labelKey = z.string().min(1).max(317);
const labelValue = z.string().max(63);

/** Far above any selector that people write; a custom resource needs a limit on every map. */
export const matchLabelsMax = 64;

export const labelSelectorSchema = z
  .strictObject({
    matchLabels: z
      .record(labelKey, labelValue)
      .refine((labels) => Object.keys(labels).length <= matchLabelsMax, `must not hold more than ${matchLabelsMax} labels`)
      .optional()
      .describe('Labels that must all be there with just these values.'),
    matchExpressions: z
      .array(
        z
          .strictObject({
            key: labelKey.describe('Key of the label.'),
            operator: z
              .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
              .describe('How the label is compared. NotIn and DoesNotExist match a missing label too.'),
            values: z.array(labelValue).max(64).optional().describe('For In and NotIn: at least one value. For the others: none.'),
          })
          .refine((e) => (e.operator === 'In' || e.operator === 'NotIn') === (e.values !== undefined && e.values.length > 0), {
            message: 'In and NotIn need values; Exists and DoesNotExist take none',
          })
          .describe('A term about one label.'),
      )
      .max(32)
      .optional()
      .describe('Terms that must all hold.'),
  })
  .describe('A Kubernetes label selector; all its terms must hold.');

export type LabelSelector = z.infer<typeof labelSelectorSchema>;

/** True where every term holds. An empty selector matches everything; NotIn and DoesNotExist match a missing key, as in Kubernetes. */
export function matchesSelector(selector: LabelSelector, labels: Labels): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (labelOf(labels, key) !== value) {
      return false;
    }
  }
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labelOf(labels, key);
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
    }
  });
}

/** A label of its own: an object also inherits `constructor` and the like, which are no labels. */
function labelOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** The selector in kubectl's notation, for messages: `tier=hot,zone in (a,b),!retired`. */
export function formatSelector(selector: LabelSelector): string {
  const terms = [
    ...Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`),
    ...(selector.matchExpressions ?? []).map(({ key, operator, values = [] }) => {
      switch (operator) {
        case 'In':
          return `${key} in (${values.join(',')})`;
        case 'NotIn':
          return `${key} notin (${values.join(',')})`;
        case 'Exists':
          return key;
        case 'DoesNotExist':
          return `!${key}`;
      }
    }),
  ];
  return terms.length === 0 ? '(everything)' : terms.join(',');
}
