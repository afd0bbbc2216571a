/** What is wrong at a front, how, and the rules that have to find it. */
export type FrontFault<Fault> = readonly [string, Fault, readonly string[]];
