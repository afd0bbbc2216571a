#!/bin/sh
# Follows a channel that has a history with nothing but short requests: short polling.
#   examples/curl/events.sh [channel] [user]
# AERIE_URL (http://localhost:3000), AERIE_TOKEN (else dev mode makes one), AERIE_EVERY (2 seconds). Ctrl-C ends it.
set -u
url=${AERIE_URL:-http://localhost:3000}
# In a URL a percent sign and a plus mean something else.
channel=$(printf %s "${1:-public:lobby}" | sed 's/%/%25/g; s/+/%2B/g')
user=${2:-curl}
folder=$(mktemp -d)
position=
last=

finish() {
  rm -rf "$folder"
  exit "$1"
}
trap 'finish 0' INT TERM

refused() {
  echo "refused with $status" >&2
  finish 1
}

token() {
  if [ -n "${AERIE_TOKEN:-}" ]; then
    echo "$AERIE_TOKEN"
  else
    curl -sf -H 'Content-Type: application/json' -d "{\"user\":\"$user\"}" "$url/dev/tokens" |
      sed -n 's/.*"token":"\([^"]*\)".*/\1/p'
  fi
}

# In a file, as everybody on this machine sees the arguments of a command.
authorize() {
  printf 'header = "Authorization: Bearer %s"\n' "$(token)" >"$folder/headers"
}

# Prints the status; the body is in a file. The tag of the last answer says what we have: 304 means that there is nothing new.
ask() {
  : >"$folder/next"
  curl -s -m 30 -K "$folder/headers" --etag-compare "$folder/tag" --etag-save "$folder/next" -w '%{http_code}' \
    -o "$folder/body" "$url/events?channel=$channel$position"
}

# Where to go on: behind the last publication, or where there is none, behind the channel's position.
advance() {
  epoch=$(sed -n 's/^{"channel":"[^"]*","epoch":"\([^"]*\)".*/\1/p' "$folder/body")
  offset=$(sed -n 's/.*"offset":\([0-9]*\)}\]}$/\1/p' "$folder/body")
  [ -n "$offset" ] || offset=$(sed -n 's/^{"channel":"[^"]*","epoch":"[^"]*","offset":\([0-9]*\).*/\1/p' "$folder/body")
  position="&after=$offset&epoch=$epoch"
}

: >"$folder/tag"
authorize
while :; do
  status=$(ask)
  case $status in
  200)
    cat "$folder/body"
    echo
    ! grep -q '"recovered":false' "$folder/body" || echo 'publications are lost: load anew' >&2
    advance
    mv "$folder/next" "$folder/tag"
    # No tag: there is more already.
    [ -s "$folder/tag" ] || continue
    ;;
  304) ;;
  401)
    # It may have expired; a new one has not.
    [ "$last" != 401 ] && [ -z "${AERIE_TOKEN:-}" ] || refused
    authorize
    ;;
  400 | 403 | 404) refused ;;
  *) echo "no answer ($status): again in a moment" >&2 ;;
  esac
  last=$status
  sleep "${AERIE_EVERY:-2}" &
  wait $!
done
