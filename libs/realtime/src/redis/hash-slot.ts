import { channelOfPresence } from '../publishing/internal-channels.js';

const SLOTS = 16_384;
const POLYNOMIAL = 0x1021;

/** The slot in which a channel is heard: its own, and for news of its members that of the channel that they are in. */
export function slotOfChannel(channel: string): number {
  return slotOf(channelOfPresence(channel) ?? channel);
}

/** The slot of a cluster for a hash tag: CRC-16 (XMODEM) of its bytes, modulo 16,384. */
export function slotOf(tag: string): number {
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1)
      crc = ((crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ POLYNOMIAL) & 0xffff;
  }
  return crc % SLOTS;
}
