/** The names in a map of events, `{ 'order.status': OrderStatus }`, that server and client share. */
export type EventName<Events extends object> = keyof Events & string;
