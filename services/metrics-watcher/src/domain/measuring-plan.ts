/**
 * In which steps a window is measured.
 *
 * A rate over the whole window would count what is missing from it as rest, and a fail-over leaves two series of which each shows a part. So
 * the window is cut into equal steps, each gives one rate where there are samples for it, and the sample is the mean of these rates. How
 * many samples the window really holds is the coverage. A gap in mid-step makes that step's rate too low, for Prometheus stretches a rate
 * only a little beyond the samples it has; so a mean may be too low by the part of the window that was not covered, never by more.
 */

/** A rate needs two samples; below this many a single lost one would be half of what is seen. */
const scrapesPerStepMin = 4;
/** In long steps a gap spoils much around it. */
const stepsPerWindowWanted = 10;

export interface MeasuringPlan {
  readonly windowMs: number;
  /** Distance and length of the steps: they neither overlap nor leave gaps. */
  readonly stepMs: number;
  /** Steps in the window. */
  readonly points: number;
  /** Samples that Prometheus scrapes in the window: what full coverage is. */
  readonly scrapes: number;
}

export interface MeasuringLimits {
  /** The longest step. */
  readonly rateIntervalMs: number;
  /** How often Prometheus scrapes the exporter. */
  readonly scrapeIntervalMs: number;
}

/** A tenth of the window, at most the rate interval, at least four scrapes. Undefined where the window is shorter than four scrapes. */
export function planMeasuring(windowMs: number, { rateIntervalMs, scrapeIntervalMs }: MeasuringLimits): MeasuringPlan | undefined {
  const stepWantedMs = Math.max(Math.min(rateIntervalMs, windowMs / stepsPerWindowWanted), scrapeIntervalMs * scrapesPerStepMin);
  const points = Math.floor(windowMs / stepWantedMs);
  if (points < 1) {
    return undefined;
  }
  return { windowMs, stepMs: Math.floor(windowMs / points), points, scrapes: Math.floor(windowMs / scrapeIntervalMs) };
}

/**
 * When to evaluate: now, or a millisecond earlier. Prometheus puts the steps of a subquery on multiples of their length, and before its
 * version 3 counts one more where both ends of the window are such multiples.
 */
export function evaluationTimeMs(nowMs: number, { stepMs }: MeasuringPlan): number {
  return nowMs % stepMs === 0 ? nowMs - 1 : nowMs;
}
