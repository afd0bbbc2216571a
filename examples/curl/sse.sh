#!/bin/sh
# Follows channels of an Aerie server with nothing but curl: server-sent events that go on where they were.
#   examples/curl/sse.sh [channels] [user]
# AERIE_URL (http://localhost:3000), AERIE_TOKEN (else dev mode makes one). Ctrl-C ends it.
set -u
url=${AERIE_URL:-http://localhost:3000}
# In a URL a percent sign and a plus mean something else.
channels=$(printf %s "${1:-public:lobby}" | sed 's/%/%25/g; s/+/%2B/g')
user=${2:-curl}
folder=$(mktemp -d)
mkfifo "$folder/stream"
curl=

finish() {
  [ -z "$curl" ] || kill "$curl" 2>/dev/null
  rm -rf "$folder"
  exit "$1"
}
trap 'finish 0' INT TERM

token() {
  if [ -n "${AERIE_TOKEN:-}" ]; then
    echo "$AERIE_TOKEN"
  else
    curl -sf -H 'Content-Type: application/json' -d "{\"user\":\"$user\"}" "$url/dev/tokens" |
      sed -n 's/.*"token":"\([^"]*\)".*/\1/p'
  fi
}

# In a file, as everybody on this machine sees the arguments of a command.
headers() {
  printf 'header = "Authorization: Bearer %s"\n' "$(token)"
  [ ! -s "$folder/id" ] || printf 'header = "Last-Event-ID: %s"\n' "$(cat "$folder/id")"
}

# Prints the frames of a stream and keeps its last id, which counts what stands before it, and the code that it ends with.
frames() {
  while IFS= read -r line; do
    case $line in
    'id: '*) printf '%s' "${line#id: }" >"$folder/id" ;;
    'data: '*) printf '%s\n' "${line#data: }" ;;
    esac
    case $line in
    'data: {"event":"$close"'*) printf '%s' "$line" | sed 's/.*"code":\([0-9]*\).*/\1/' >"$folder/code" ;;
    esac
  done <"$folder/stream"
}

seconds=1
while :; do
  opened=$(date +%s)
  headers >"$folder/headers"
  : >"$folder/code"
  frames &
  frames=$!
  curl -sNf --keepalive-time 20 -K "$folder/headers" -w '%{stderr}%{http_code}' \
    "$url/sse?channels=$channels" >"$folder/stream" 2>"$folder/status" &
  curl=$!
  wait "$curl"
  curl=
  wait "$frames"
  status=$(cat "$folder/status")
  case $status in
  400 | 401 | 403 | 404)
    echo "refused with $status" >&2
    finish 1
    ;;
  esac
  case $(cat "$folder/code") in
  1000 | 1008 | 1009 | 4403)
    echo "closed for good: $(cat "$folder/code")" >&2
    finish 1
    ;;
  esac
  [ $(($(date +%s) - opened)) -lt 30 ] || seconds=1
  echo "the stream ended: again in $seconds s" >&2
  sleep "$seconds" &
  wait $!
  seconds=$((seconds < 16 ? seconds * 2 : 20))
done
