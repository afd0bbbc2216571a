import type { OpenTransport, Transport } from '../transport.js';
import type { Dial } from '../wire.js';
import type { FallbackPlan, Reached } from './fallback-plan.js';

/** Opens as the plan says: an attempt goes on by another transport where that is no reason to wait. */
export function openByPlan(plan: FallbackPlan, open: OpenTransport): OpenTransport {
  return (setup, events) => {
    const attempt = (): Transport => {
      const { current } = plan;
      let reached: Reached | undefined;
      const dial: Dial = (wireSetup, wireEvents) => {
        reached = 'nothing';
        const received = (data?: unknown): void => {
          if (reached === 'nothing') reached = 'opened';
          wireEvents.received(data);
        };
        return current.dial(wireSetup, { ...wireEvents, received });
      };
      return open(
        { ...setup, dial },
        {
          frame: events.frame,
          welcome: (welcome) => {
            reached = 'welcomed';
            plan.welcomed();
            events.welcome(welcome);
          },
          end: (ending) => {
            const step = plan.ended({ ...ending, reached });
            if (step === 'now') transport = attempt();
            else events.end(step === 'next' ? { ...ending, answer: undefined } : ending);
          },
        },
      );
    };
    plan.begin();
    let transport = attempt();
    return {
      send: (encoded) => transport.send(encoded),
      probe: () => transport.probe(),
      close: () => transport.close(),
    };
  };
}
