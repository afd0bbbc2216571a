/** The backplane's channel of every connection. */
export const BROADCAST_CHANNEL = '$broadcast';
/** The backplane's channel for commands to every node. */
export const CONTROL_CHANNEL = '$control';

const NODE = '$node:';
const PRESENCE = '$presence:';

/** The backplane's channel of one node. */
export function nodeChannel(node: string): string {
  return NODE + node;
}

/** The backplane's channel on which a channel's members come and go: apart from its publications, for those who asked for it. */
export function presenceChannel(channel: string): string {
  return PRESENCE + channel;
}

/** The channel that a presence channel is about; undefined for any other. */
export function channelOfPresence(name: string): string | undefined {
  return name.startsWith(PRESENCE) ? name.slice(PRESENCE.length) : undefined;
}

/** Whether no client can name it. */
export function isInternal(channel: string): boolean {
  return channel.startsWith('$');
}
