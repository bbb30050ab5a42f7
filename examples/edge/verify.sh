#!/bin/sh
# verify.sh BUNDLE RESULTS: verify a bundle on this device with the gates of gates.yaml, which is next to this script.
# Exit codes are those of gdfq-export: 0 all gates passed, 1 a gate failed, 2 the bundle is damaged, 3 its runtime is missing.
set -eu
bundle=${1:?name the folder of the bundle} results=${2:?name the folder for the results}
export ORT_DISABLE_TELEMETRY=1 # ONNX Runtime records and sends nothing
mkdir -p "$results"
exec gdfq-export verify --manifest "$bundle/manifest.json" --gates "$(dirname "$0")/gates.yaml" --latency-seconds 2 \
    --json "$results/verify.json" --junit "$results/verify.xml" --markdown "$results/verify.md"
