import { RealtimeClient } from '@aerie/client';
import { presence as keepPresence } from '@aerie/client/presence';
import { WebSocket } from 'ws';
import { tokenFor } from './gateway.js';

/** The SDK's client of a user who is in a channel and sees who else is. */
export class Watcher {
  /** `+user` and `-user`, as its listeners were told. */
  readonly told: string[] = [];
  readonly user: string;
  readonly #client: RealtimeClient;
  readonly #channel: string;

  /** @param where Asked for each attempt. */
  constructor(where: string | (() => string), user: string, channel: string) {
    const url = typeof where === 'string' ? () => where : where;
    class Socket extends WebSocket {
      constructor(_url: string, protocols: string[]) {
        super(url(), protocols);
      }
    }
    this.user = user;
    this.#client = new RealtimeClient(url(), {
      token: () => tokenFor(user),
      webSocket: Socket,
      presence: keepPresence(),
    });
    this.#client.onError(() => undefined);
    this.#channel = channel;
    const { presence } = this.#client.channel(channel);
    presence.on('join', (member) => this.told.push(`+${member.user}`));
    presence.on('leave', (member) => this.told.push(`-${member.user}`));
  }

  /** Resolves when it is in. */
  async subscribed(): Promise<this> {
    await this.#client.channel(this.#channel).subscribe();
    return this;
  }

  get status(): string {
    return this.#client.channel(this.#channel).state.status;
  }

  /** Whom it sees, in the order of their names. */
  get users(): readonly string[] {
    return this.#client
      .channel(this.#channel)
      .presence.members.map(({ user }) => user)
      .toSorted();
  }

  /** How often it was told that this user left. */
  leaves(user: string): number {
    return this.told.filter((line) => line === `-${user}`).length;
  }

  unsubscribe(): Promise<void> {
    return this.#client.channel(this.#channel).unsubscribe();
  }

  close(): void {
    this.#client.close();
  }
}
