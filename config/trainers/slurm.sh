#!/bin/sh
# A Slurm cluster as the trainer, running ftworker's own trainer on a GPU node. In config/ftworker.toml:
#
#   [providers.local]
#   kind = "local"
#   trainer = "command"
#   [providers.local.command]
#   program = ["sh", "{config}"]
#   template = "config/trainers/slurm.sh"
#   pass_environment = ["PATH", "HOME", "USER", "LANG"]
#
# FTWORKER_HOME of this trainer must lie on a file system that the nodes see under the same path, and so must the base.
# Put your own program in the place of ftworker's: it leaves its adapter in ${output} (docs/LOCAL.md).
#
# The job of the cluster carries the run's key. Whatever is killed here, the next attempt finds it by that and waits on;
# it is ended only when the run is cancelled.
set -eu
python=/opt/ftworker/bin/python
ended="${output}/exit-status"

find_job() {
  squeue --noheader --name="${run_key}" --format=%A | head -n 1
}

stop() {
  if [ -e "${work}/CANCELLED" ]; then
    scancel --name="${run_key}"
  fi
  exit 75
}
trap stop TERM

job=$(find_job)
if [ -z "$job" ] && [ ! -e "$ended" ]; then
  job=$(sbatch --parsable --job-name="${run_key}" --output="${output}/slurm-%j.log" \
    --gres=gpu:1 --cpus-per-task=8 --mem=64G --time=24:00:00 \
    --wrap "status=0; $python -m ftworker.training.train '${work}' >> '${output}/progress.jsonl' < /dev/null \
      || status=\$?; echo \$status > '${output}/exit-status'")
fi

while [ -n "$(find_job)" ]; do
  sleep 10 &
  wait $! || true
done

# No status: the node failed, or the job was preempted or ran out of time. Again, from the checkpoint (75).
status=75
if [ -e "$ended" ]; then
  status=$(cat "$ended")
  rm "$ended"
fi
exit "$status"
