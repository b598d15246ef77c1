#!/bin/sh
# Asks the demo whatever openapi.yaml allows, and what it does not: no 5xx, and nothing that is not described there.
# Takes minutes; arguments are `schemathesis run`'s, such as --max-time 600 or --exclude-path-regex search.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

need_cargo
need_dovecot
need curl curl
python3 -c 'import ensurepip, venv' 2>/dev/null || need ensurepip python3 python3-venv
mkdir -p "${CARGO_TARGET_DIR:-target}/fuzz-openapi"
target=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
work=$target/fuzz-openapi
description=$(pwd)/openapi.yaml
[ -x "$work/venv/bin/schemathesis" ] || {
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet 'schemathesis~=4.32'
}
cargo build --locked --bin cpm-bridge

"$target/debug/cpm-bridge" demo --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --imap-listen 127.0.0.1:0 \
  >"$work/demo.out" 2>"$work/demo.log" &
demo=$!
trap 'kill "$demo" 2>/dev/null; wait "$demo" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
until address=$(sed -n 's/^ready http=\([^ ]*\).*/\1/p' "$work/demo.out") && [ -n "$address" ]; do
  kill -0 "$demo" || { cat "$work/demo.log" >&2; exit 1; }
  sleep 0.2
done
box=$address/nms/v1/cpm/tel%3A%2B15550100

# fuzz CONFIGURATION ARGUMENT...; what it keeps, it keeps where it is.
cd "$work"
fuzz() {
  configuration=$1
  shift
  venv/bin/schemathesis --config-file "$configuration" run "$description" --url "$box" \
    --auth +15550100:secret --request-timeout 60 --continue-on-failure \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method \
    "$@"
}

# Ids that are there lead further than ids that were made up; what takes them away comes last.
folder=$(curl -fsS -u +15550100:secret "$box/folders/operations/pathToId?path=/RCSMessageStore/Holiday" | sed 's|.*/folders/\([^"/]*\)".*|\1|')
object=$(curl -fsS -u +15550100:secret "$box/folders/$folder?listFilter=Objects" | sed 's|.*/objects/\([^"/]*\)".*|\1|')
[ -n "$folder" ] && [ -n "$object" ]
cat >ids.toml <<END
[parameters]
"path.objectId" = "$object"
"path.folderId" = "$folder"
"path.payloadPartId" = "1"
END
: >made-up.toml
status=0
fuzz ids.toml --include-operation-id-regex '^(?!get_openapi|delete_object|delete_folder|bulk_delete|move_)' "$@" || status=1
fuzz made-up.toml --include-operation-id-regex '^(?!get_openapi)' "$@" || status=1
exit $status
