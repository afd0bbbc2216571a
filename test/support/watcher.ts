import { RealtimeClient, type Channel } from '@aerie/client';
import { presence, type ChannelPresence } from '@aerie/client/presence';
import { WebSocket } from 'ws';
import { tokenFor } from './gateway.js';

/** The SDK's client of a user who is in a channel and sees who else is. */
export class Watcher {
  /** `+user` and `-user`, as its listeners were told. */
  readonly told: string[] = [];
  readonly user: string;
  readonly #client: RealtimeClient;
  readonly #channel: Channel;
  readonly #members: ChannelPresence;
  readonly #seen: Promise<unknown>;

  /** @param where Asked for each attempt. */
  constructor(where: string | (() => string), user: string, channel: string) {
    const url = typeof where === 'string' ? () => where : where;
    class Socket extends WebSocket {
      constructor(_url: string, protocols: string[]) {
        super(url(), protocols);
      }
    }
    this.user = user;
    this.#client = new RealtimeClient(url(), { token: () => tokenFor(user), webSocket: Socket });
    this.#client.onError(() => undefined);
    this.#channel = this.#client.channel(channel);
    this.#members = presence(this.#channel);
    this.#members.on('join', (member) => this.told.push(`+${member.user}`));
    this.#members.on('leave', (member) => this.told.push(`-${member.user}`));
    this.#seen = new Promise((resolve) => this.#members.on('change', resolve));
  }

  /** Resolves when it is in, and sees who else is. */
  async subscribed(): Promise<this> {
    await this.#channel.subscribe();
    await this.#seen;
    return this;
  }

  get status(): string {
    return this.#channel.state.status;
  }

  /** Whom it sees, in the order of their names. */
  get users(): readonly string[] {
    return this.#members.members.map(({ user }) => user).toSorted();
  }

  /** How often it was told that this user left. */
  leaves(user: string): number {
    return this.told.filter((line) => line === `-${user}`).length;
  }

  unsubscribe(): Promise<void> {
    return this.#channel.unsubscribe();
  }

  close(): void {
    this.#client.close();
  }
}
