import {
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { Observable } from 'rxjs';

export interface Echo {
  readonly text: string;
}

@Injectable()
class EchoGuard implements CanActivate {
  canActivate(_context: ExecutionContext): boolean {
    return true;
  }
}

@Injectable()
class EchoPipe implements PipeTransform {
  transform(value: unknown): unknown {
    return value;
  }
}

@Injectable()
class EchoInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle();
  }
}

/** A message through Nest's whole pipeline, the same class in a plain Nest application and in one with Aerie. */
@WebSocketGateway({ path: '/ws' })
export class EchoGateway {
  @SubscribeMessage('echo')
  @UseGuards(EchoGuard)
  @UsePipes(EchoPipe)
  @UseInterceptors(EchoInterceptor)
  echo(@MessageBody() data: Echo): { event: string; data: Echo } {
    return { event: 'echo', data };
  }
}
