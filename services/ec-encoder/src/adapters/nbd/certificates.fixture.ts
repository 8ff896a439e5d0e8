/** Certificates for tests, made by node:crypto alone, as a machine need not have the openssl program. X.509 v3, keys on P-256. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const dayMs = 86_400_000;

const oid = {
  ecdsaWithSha256: Buffer.from('06082a8648ce3d040302', 'hex'),
  commonName: Buffer.from('0603550403', 'hex'),
  basicConstraints: Buffer.from('0603551d13', 'hex'),
  subjectAltName: Buffer.from('0603551d11', 'hex'),
};

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 128 ? [tag, length] : length < 256 ? [tag, 0x81, length] : [tag, 0x82, length >>> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}

const sequence = (...parts: readonly Buffer[]) => der(0x30, ...parts);
const octets = (bytes: Buffer) => der(0x04, bytes);
const bits = (bytes: Buffer) => der(0x03, Buffer.from([0]), bytes);
const positive = (bytes: Buffer) => der(0x02, Buffer.from([1]), bytes);
const isTrue = Buffer.from('0101ff', 'hex');

function time(ms: number): Buffer {
  return der(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replaceAll(/[-:T]/g, '')}Z`));
}

function nameOf(text: string): Buffer {
  return sequence(der(0x31, sequence(oid.commonName, der(0x0c, Buffer.from(text)))));
}

function pem(bytes: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

interface Signer {
  readonly name: string;
  readonly key: KeyObject;
}

function certificate(o: { subject: string; publicKey: KeyObject; signer: Signer; isAuthority: boolean }): string {
  const algorithm = sequence(oid.ecdsaWithSha256);
  const local = sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    positive(randomBytes(8)),
    algorithm,
    nameOf(o.signer.name),
    sequence(time(Date.now() - dayMs), time(Date.now() + dayMs)),
    nameOf(o.subject),
    o.publicKey.export({ type: 'spki', format: 'der' }),
    der(
      0xa3,
      sequence(
        sequence(oid.basicConstraints, isTrue, octets(o.isAuthority ? sequence(isTrue) : sequence())),
        sequence(oid.subjectAltName, octets(local)),
      ),
    ),
  );
  return pem(sequence(body, algorithm, bits(sign('sha256', body, o.signer.key))));
}

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** One that signs for localhost. Its own certificate is `<name>.pem`. */
export class TestAuthority {
  readonly caFile: string;
  readonly #dir: string;
  readonly #signer: Signer;

  private constructor(o: { dir: string; caFile: string; signer: Signer }) {
    this.#dir = o.dir;
    this.caFile = o.caFile;
    this.#signer = o.signer;
  }

  static async make(dir: string, name: string): Promise<TestAuthority> {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signer = { name, key: privateKey };
    const caFile = join(dir, `${name}.pem`);
    await writeFile(caFile, certificate({ subject: name, publicKey, signer, isAuthority: true }));
    return new TestAuthority({ dir, caFile, signer });
  }

  async issue(subject: string): Promise<CertificateFiles> {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const [certFile, keyFile] = [join(this.#dir, `${subject}-cert.pem`), join(this.#dir, `${subject}-key.pem`)];
    await writeFile(certFile, certificate({ subject, publicKey, signer: this.#signer, isAuthority: false }));
    await writeFile(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    return { certFile, keyFile };
  }
}
