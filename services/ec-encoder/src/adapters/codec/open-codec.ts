import { CauchyCodec } from '../../domain/codec/cauchy-codec.ts';
import type { ErasureCodec } from '../../domain/codec/erasure-codec.ts';
import type { CodeShape } from '../../domain/codec/matrix.ts';
import type { CodecName } from '../../domain/stripe.ts';
import type { CodecEngines } from './load-codec.ts';
import { RonomonCodec } from './ronomon-codec.ts';

/**
 * The codec of a policy, by what the engines have. Throws CodecError BAD_CODE, and for `ronomon` NativeError NO_RONOMON, RONOMON_NOT_BUILT or
 * BROKEN: no other engine computes its stripes.
 */
export async function openCodec(
  name: CodecName,
  code: CodeShape,
  engines: Pick<CodecEngines, 'matrix' | 'loadRonomon'>,
): Promise<ErasureCodec> {
  switch (name) {
    case 'isal-compatible':
      return new CauchyCodec(code, engines.matrix);
    case 'ronomon':
      return new RonomonCodec(code, await engines.loadRonomon());
  }
}
