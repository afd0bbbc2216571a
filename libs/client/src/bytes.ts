export { Bytes, reviveBytes, type BytesInJson } from '@aerie/protocol';
