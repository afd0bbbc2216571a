const MAX_TEXT = 300;
const MIN_SECRET_PART = 8;

/**
 * What a log may say of a thrown value: its name, message and stack, without the credential that was being checked or a
 * part of it. Whoever wrote the code that threw may well have put the token into the message.
 */
export function redactedFault(
  error: unknown,
  secret: string | undefined,
): { message: string; stack: string } {
  if (!(error instanceof Error)) return { message: `threw a ${typeof error}`, stack: '' };
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const message = `${error.name}: ${error.message}`;
  return { message: redact(message, secret).slice(0, MAX_TEXT), stack: redact(frames.join('\n'), secret) };
}

function redact(text: string, secret: string | undefined): string {
  if (secret === undefined) return text;
  const parts = secret.split('.').filter((part) => part.length >= MIN_SECRET_PART);
  const forms = [secret, ...parts].flatMap((part) => [part, encodeURIComponent(part)]);
  return forms.reduce((redacted, form) => redacted.replaceAll(form, '[redacted]'), text);
}
