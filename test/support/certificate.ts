import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  text: 0x0c,
  time: 0x17,
  sequence: 0x30,
  set: 0x31,
} as const;
/** X.690: the arcs of 2.5.4.3, 2.5.29.17, 2.5.29.19 and 1.2.840.10045.4.3.2. */
const OID = {
  commonName: '550403',
  alternativeName: '551d11',
  basicConstraints: '551d13',
  ecdsaWithSha256: '2a8648ce3d040302',
};
const DAY_MS = 86_400_000;
const NAME = 'localhost';

/** A key and a certificate that signs itself, PEM, for `localhost` and 127.0.0.1. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** Makes one that is good for a day (RFC 5280). It is trusted by whoever takes it for its authority, and by nobody else. */
export function makeCertificate(): Certificate {
  const keys = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const algorithm = der(TAG.sequence, oid(OID.ecdsaWithSha256));
  const name = der(TAG.sequence, der(TAG.set, der(TAG.sequence, oid(OID.commonName), der(TAG.text, NAME))));
  const validity = der(TAG.sequence, time(Date.now() - DAY_MS), time(Date.now() + DAY_MS));
  const serial = der(TAG.integer, Buffer.from([1]));
  const version = der(0xa0, der(TAG.integer, Buffer.from([2])));
  const subject = [name, validity, name, keys.publicKey];
  const signed = der(TAG.sequence, version, serial, algorithm, ...subject, extensions());
  const signature = sign('sha256', signed, createPrivateKey(keys.privateKey));
  const bits = der(TAG.bits, Buffer.from([0]), signature);
  return { key: keys.privateKey, cert: pem(der(TAG.sequence, signed, algorithm, bits)) };
}

function extensions(): Buffer {
  const names = der(TAG.sequence, der(0x82, NAME), der(0x87, Buffer.from([127, 0, 0, 1])));
  const isAuthority = der(TAG.sequence, der(TAG.boolean, Buffer.from([0xff])));
  return der(
    0xa3,
    der(
      TAG.sequence,
      der(TAG.sequence, oid(OID.alternativeName), der(TAG.octets, names)),
      der(TAG.sequence, oid(OID.basicConstraints), der(TAG.octets, isAuthority)),
    ),
  );
}

function oid(hex: string): Buffer {
  return der(TAG.oid, Buffer.from(hex, 'hex'));
}

function time(ms: number): Buffer {
  return der(TAG.time, new Date(ms).toISOString().replaceAll(/^..|[-:T]|\.\d+/g, ''));
}

/** Tag, length, content. Of less than 64 KiB. */
function der(tag: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
