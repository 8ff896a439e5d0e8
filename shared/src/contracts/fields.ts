/** Field schemas that several contracts share. */
import { z } from 'zod';

/** A Mayastor volume's uuid. */
export const volumeIdSchema = z.uuid();
/** Deterministic id of one requested move: `m` and 16 hex digits. */
export const moveIdSchema = z.string().regex(/^m[0-9a-f]{16}$/);
/** A point in time, ISO 8601 in UTC. */
export const instantSchema = z.iso.datetime();
export const poolIdSchema = z.string().min(1).max(253);
export const nodeIdSchema = z.string().min(1).max(253);
/** A sentence for people. */
export const sentenceSchema = z.string().max(2_000);
