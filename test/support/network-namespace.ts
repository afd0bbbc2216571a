import { spawnSync } from 'node:child_process';

/** A network of its own behind a virtual cable, which can be made to lose every packet. Linux, root. */
export interface NetworkNamespace {
  /** Where processes inside reach this machine. */
  readonly hostAddress: string;
  /** The command that runs another inside. */
  readonly run: readonly string[];
  /** From now on nothing arrives, in either direction, and nobody is told. */
  dropEverything(): void;
  remove(): void;
}

/** Undefined where this machine does not allow it. */
export function createNamespace(): NetworkNamespace | undefined {
  const id = process.pid % 10_000;
  const [name, here, there] = [`aerie-${id}`, `aerie${id}a`, `aerie${id}b`];
  const subnet = `10.213.${id % 250}`;
  const remove = (): void => {
    ip('link', 'del', here);
    ip('netns', 'del', name);
  };
  const made =
    ip('netns', 'add', name) &&
    ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', name) &&
    ip('addr', 'add', `${subnet}.1/30`, 'dev', here) &&
    ip('link', 'set', here, 'up') &&
    ip('-n', name, 'addr', 'add', `${subnet}.2/30`, 'dev', there) &&
    ip('-n', name, 'link', 'set', there, 'up');
  if (!made) {
    remove();
    return undefined;
  }
  return {
    hostAddress: `${subnet}.1`,
    run: ['ip', 'netns', 'exec', name],
    // Without its end of the cable the other side has no carrier: packets vanish as in a pulled plug.
    dropEverything: () => void ip('-n', name, 'link', 'set', there, 'down'),
    remove,
  };
}

function ip(...args: readonly string[]): boolean {
  return spawnSync('ip', args, { stdio: 'ignore' }).status === 0;
}
