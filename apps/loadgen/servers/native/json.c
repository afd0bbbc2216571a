#include "json.h"

/* Each of these takes where it begins and the end of everything, and returns where what it passes over ends. */

static int is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *after_space(const char *at, const char *end) {
  while (at < end && is_space(*at)) at += 1;
  return at;
}

static const char *after_string(const char *at, const char *end) {
  for (at += 1; at < end; at += 1) {
    if (*at == '"') return at + 1;
    if (*at == '\\' && at + 1 < end) at += 1;
  }
  return end;
}

static int is_separator(char c) {
  return c == ',' || c == '}' || c == ']';
}

static const char *after_value(const char *at, const char *end) {
  int depth = 0;
  while (at < end) {
    if (depth == 0 && is_separator(*at)) return at;
    if (*at == '"') at = after_string(at, end);
    else {
      if (*at == '{' || *at == '[') depth += 1;
      if (*at == '}' || *at == ']') depth -= 1;
      at += 1;
    }
  }
  return end;
}

static struct text trimmed(const char *from, const char *to) {
  while (to > from && is_space(to[-1])) to -= 1;
  return (struct text){from, (size_t)(to - from)};
}

static int names(struct text key, const char *name) {
  size_t size = strlen(name);
  return key.size == size + 2 && memcmp(key.at + 1, name, size) == 0;
}

struct text member(struct text object, const char *name) {
  static const struct text none = {NULL, 0};
  const char *end = object.at + object.size, *at = after_space(object.at, end);
  if (at == end || *at != '{') return none;
  do {
    const char *key = after_space(at + 1, end);
    if (key == end || *key != '"') return none;
    const char *key_end = after_string(key, end), *colon = after_space(key_end, end);
    if (colon == end || *colon != ':') return none;
    const char *value = after_space(colon + 1, end);
    at = after_value(value, end);
    if (names((struct text){key, (size_t)(key_end - key)}, name)) return trimmed(value, at);
  } while (at < end && *at == ',');
  return none;
}
