import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  HttpException,
  Inject,
  Injectable,
  Optional,
  UseGuards,
} from '@nestjs/common';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  ClientFacade,
  HandshakeOnly,
  type HandshakeRequest,
  RealtimeService,
  Refusal,
} from '@aerie/realtime';
import { HooksClient } from './hooks/hooks-client.js';

/** Asks the backend's `connect` hook before the upgrade is accepted. Without hooks everyone authenticated may come in. */
@HandshakeOnly()
@Injectable()
export class ConnectHook implements CanActivate {
  constructor(@Optional() @Inject(HooksClient) private readonly hooks: HooksClient | undefined) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<HandshakeRequest>();
    if (this.hooks === undefined || request.session === undefined) return true;
    const refusal = await this.hooks.connect(request.session, {
      address: request.ip,
      transport: request.transport,
    });
    if (refusal !== undefined)
      throw new HttpException({ code: refusal.code, message: refusal.message }, refusal.status);
    return true;
  }
}

// Nest fills undecorated parameters with client and data only; the event stands behind them among the call's arguments.
const EventName = createParamDecorator((_data: unknown, context: ExecutionContext) =>
  context.getArgByIndex<string>(2),
);

/** The standalone gateway's only gateway class: what isn't the system's goes to the backend's `message` hook. */
@WebSocketGateway({ path: '/ws' })
@UseGuards(ConnectHook)
export class EdgeGateway {
  constructor(
    realtime: RealtimeService,
    @Optional() @Inject(HooksClient) private readonly hooks: HooksClient | undefined,
  ) {
    if (hooks !== undefined) realtime.onSession((event) => hooks.tell(event));
  }

  @SubscribeMessage('*')
  async message(
    @ConnectedSocket() client: ClientFacade,
    @MessageBody() data: unknown,
    @EventName() event: string,
  ): Promise<unknown> {
    if (this.hooks === undefined) return new Refusal('unknown_event', 'no handler for this event');
    const answer = await this.hooks.message(client.session, { connection: client.id, event, data });
    return answer instanceof Refusal ? answer : answer.data;
  }
}
