import { readFileSync } from 'node:fs';
import { z } from 'zod';

const DAY_MS = 86_400_000;
const LITERAL = /^[A-Za-z0-9_.@%=+-]+$/;
const PARAMETER = /^\{[A-Za-z_][A-Za-z0-9_]*\}$/;

const policy = z.enum(['nobody', 'authenticated', 'claims', 'hook']);
/** Who may: `claims` asks the token's claim `channels`, `hook` asks HOOKS_URL. */
export type Policy = z.output<typeof policy>;

const entry = z.strictObject({
  pattern: z.string().min(1).max(200).superRefine(checkPattern),
  subscribe: policy.default('nobody'),
  publish: policy.default('nobody'),
  history: z
    .strictObject({
      size: z.int().min(1).max(100_000),
      ttlMs: z
        .int()
        .min(1_000)
        .max(30 * DAY_MS),
    })
    .optional(),
  presence: z.boolean().default(false),
  slow: z.enum(['disconnect', 'drop', 'conflate']).default('disconnect'),
});

const channel = entry
  .refine(({ history, slow }) => history === undefined || slow === 'disconnect', {
    path: ['slow'],
    message:
      'a channel with history must disconnect a slow consumer: "drop" and "conflate" would lose publications in silence',
  })
  .refine((config) => !isUserPattern(config.pattern) || hasHistoryOnly(config), {
    path: ['pattern'],
    message: '"user:{id}" is built in: it takes a history, and nothing else',
  });

/** The channels of the standalone gateway, as `CHANNELS` holds them. */
export const channelsSchema = z
  .strictObject({ channels: z.array(channel).max(1_000) })
  .superRefine(({ channels }, context) => {
    for (const [index, first] of repeatedPatterns(channels.map(({ pattern }) => pattern))) {
      context.addIssue({
        code: 'custom',
        path: ['channels', index, 'pattern'],
        message: `matches the same channels as channels[${first}]`,
      });
    }
  })
  .transform(({ channels }): readonly ChannelConfig[] => channels);

/** One rule: the channels that match `pattern`. */
export type ChannelConfig = z.output<typeof channel>;

/** How much of each user's own channel is kept: the entry `user:{id}`. */
export function userHistory(channels: readonly ChannelConfig[]): ChannelConfig['history'] {
  return channels.find(({ pattern }) => isUserPattern(pattern))?.history;
}

/** Those that have a rule: every entry but the users'. */
export function ruledChannels(channels: readonly ChannelConfig[]): readonly ChannelConfig[] {
  return channels.filter(({ pattern }) => !isUserPattern(pattern));
}

/** What dev mode opens where `CHANNELS` is unset. */
export const DEV_CHANNELS: readonly ChannelConfig[] = [
  {
    pattern: 'public:{name}',
    subscribe: 'authenticated',
    publish: 'authenticated',
    history: { size: 1_000, ttlMs: 3_600_000 },
    presence: true,
    slow: 'disconnect',
  },
];

/** The variable `CHANNELS`: JSON, or the path of a JSON file. Each fault names the field's path. */
export function channelsVariable(hooks: boolean) {
  return z.string().transform((text, context): readonly ChannelConfig[] => {
    const json = readJson(text);
    const parsed = 'fault' in json ? undefined : channelsSchema.safeParse(json.value);
    if ('fault' in json) context.addIssue(json.fault);
    for (const { path, message } of parsed?.error?.issues ?? [])
      context.addIssue(`${fieldPath(path)}: ${message}`);
    const channels = parsed?.data ?? [];
    if (!hooks)
      for (const field of fieldsThatAsk(channels)) context.addIssue(`${field}: "hook" needs HOOKS_URL`);
    return channels;
  });
}

function readJson(text: string): { readonly value: unknown } | { readonly fault: string } {
  const inline = text.startsWith('{');
  try {
    return { value: JSON.parse(inline ? text : readFileSync(text, 'utf8')) };
  } catch (error) {
    // A parser's message quotes the text.
    if (inline || error instanceof SyntaxError) return { fault: 'is not valid JSON' };
    return { fault: 'must be a JSON object, or the path of a file that can be read' };
  }
}

function fieldPath(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return text.replace(/^\./, '') || 'the whole';
}

function fieldsThatAsk(channels: readonly ChannelConfig[]): string[] {
  return channels.flatMap(({ subscribe, publish }, index) => [
    ...(subscribe === 'hook' ? [`channels[${index}].subscribe`] : []),
    ...(publish === 'hook' ? [`channels[${index}].publish`] : []),
  ]);
}

/** Segments between colons, each a literal or one `{parameter}`. */
function checkPattern(pattern: string, context: z.RefinementCtx): void {
  const segments = pattern.split(':');
  const parameters = segments.filter((segment) => PARAMETER.test(segment));
  if (!segments.every((segment) => LITERAL.test(segment) || PARAMETER.test(segment))) {
    context.addIssue('must be segments between colons, each of A-Z a-z 0-9 _ . @ % = + - or one {parameter}');
  }
  if (new Set(parameters).size < parameters.length) context.addIssue('names a parameter twice');
  if (segments[0] === 'user' && !isUserPattern(pattern))
    context.addIssue('"user:" is built in: the server subscribes its owner, nobody publishes to it');
}

function isUserPattern(pattern: string): boolean {
  const [prefix, parameter, ...others] = pattern.split(':');
  return prefix === 'user' && parameter !== undefined && PARAMETER.test(parameter) && others.length === 0;
}

function hasHistoryOnly({ subscribe, publish, presence, slow, history }: z.output<typeof entry>): boolean {
  const isPlain = subscribe === 'nobody' && publish === 'nobody' && !presence && slow === 'disconnect';
  return isPlain && history !== undefined;
}

/** `[index, index of the first]` for patterns that differ in parameter names at most. */
function repeatedPatterns(patterns: readonly string[]): [number, number][] {
  const shapes = patterns.map((pattern) => pattern.replaceAll(/\{[^}]*\}/g, '{}'));
  return shapes
    .map((shape, index): [number, number] => [index, shapes.indexOf(shape)])
    .filter(([index, first]) => first < index);
}
