/** The backplane's channel of every connection. */
export const BROADCAST_CHANNEL = '$broadcast';
/** The backplane's channel for commands to every node. */
export const CONTROL_CHANNEL = '$control';
