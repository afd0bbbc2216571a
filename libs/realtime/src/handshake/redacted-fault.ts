const MAX_TEXT = 300;
const MIN_SECRET_PART = 8;

/**
 * What a log may say of a thrown value: its name, message and stack, without the credentials that were being checked or a
 * part of them. Whoever wrote the code that threw may well have put the token into the message.
 */
export function redactedFault(
  error: unknown,
  ...secrets: readonly (string | undefined)[]
): { message: string; stack: string } {
  if (!(error instanceof Error)) return { message: `threw a ${typeof error}`, stack: '' };
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const message = `${error.name}: ${error.message}`;
  return { message: redact(message, secrets).slice(0, MAX_TEXT), stack: redact(frames.join('\n'), secrets) };
}

function redact(text: string, secrets: readonly (string | undefined)[]): string {
  const forms = secrets.flatMap((secret) => (secret === undefined || secret === '' ? [] : formsOf(secret)));
  return forms.reduce((redacted, form) => redacted.replaceAll(form, '[redacted]'), text);
}

function formsOf(secret: string): string[] {
  const parts = secret.split('.').filter((part) => part.length >= MIN_SECRET_PART);
  return [secret, ...parts].flatMap((part) => [part, encodeURIComponent(part)]);
}
