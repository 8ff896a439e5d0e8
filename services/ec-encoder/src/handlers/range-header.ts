/** The Range header of a GET: one range of bytes. What is more, or is written otherwise, is ignored, as HTTP has it. */
export function rangeOf(
  header: string | undefined,
  sizeBytes: number,
): { offsetBytes: number; lengthBytes: number } | 'unsatisfiable' | undefined {
  const [, from, to] = /^bytes=(\d{0,16})-(\d{0,16})$/.exec(header ?? '') ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '') || (from !== '' && to !== '' && Number(to) < Number(from))) {
    return undefined;
  }
  const offsetBytes = from === '' ? Math.max(0, sizeBytes - Number(to)) : Number(from);
  const end = from === '' || to === '' ? sizeBytes : Math.min(sizeBytes, Number(to) + 1);
  return offsetBytes >= end ? 'unsatisfiable' : { offsetBytes, lengthBytes: end - offsetBytes };
}
