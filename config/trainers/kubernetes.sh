#!/bin/sh
# Creates the Job of kubernetes-job.yaml and waits for its end: kubernetes.sh MANIFEST NAME WORK. See there.
#
# The Job carries the run's key, so an attempt after a kill finds it and waits on. It is deleted when the run is
# cancelled, and when it is over, so that a further attempt makes a new one.
set -eu
manifest=$1 name=$2 work=$3

stop() {
  if [ -e "$work/CANCELLED" ]; then
    kubectl delete job "$name" --ignore-not-found --wait=false
  fi
  exit 75
}
trap stop TERM

condition() {
  kubectl get job "$name" --output "jsonpath={.status.conditions[?(@.type=='$1')].status}"
}

kubectl get job "$name" >/dev/null 2>&1 || kubectl create --filename "$manifest"
status=
while [ -z "$status" ]; do
  if [ "$(condition Complete)" = True ]; then
    status=0
  elif [ "$(condition Failed)" = True ]; then
    # The trainer's own failure has been told in progress.jsonl; a pod that was evicted is tried again (75).
    status=75
  else
    sleep 10 &
    wait $! || true
  fi
done
kubectl delete job "$name" --ignore-not-found
exit "$status"
