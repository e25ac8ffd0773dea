#!/bin/sh
# Tells Grafana (up to 12) of the playlists that it does not have yet. GRAFANA_URL; GRAFANA_ADMIN_PASSWORD of user admin.
set -eu
cd "$(dirname "$0")"

# The password goes by standard input, since arguments can be seen by every user of a machine.
ask() {
  printf 'user = "admin:%s"\n' "$(printf '%s' "$GRAFANA_ADMIN_PASSWORD" | sed 's/[\\"]/\\&/g')" |
    curl --silent --show-error --fail --max-time 20 --config - "$@"
}

there=$(ask "$GRAFANA_URL/api/playlists")
for file in playlist-*.json; do
  name=$(sed -n 's/^ "name": "\(.*\)",$/\1/p' "$file")
  case "$there" in
    *"\"name\":\"$name\""*) echo "$name: is there" ;;
    *)
      ask --header 'Content-Type: application/json' --data "@$file" --output /dev/null "$GRAFANA_URL/api/playlists"
      echo "$name: made"
      ;;
  esac
done
