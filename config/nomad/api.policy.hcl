# What the control API may do in Nomad. Single capabilities, because policy = "write" would include alloc-exec and
# read-fs: a shell in a bot, and so its key. The event stream, allocations, evaluations and statistics of `bots` come
# with read-job.
namespace "bots" {
  capabilities = [
    "list-jobs",
    "read-job",
    "read-logs",
    "parse-job",
    "plan-job",
    "register-job",
    "deregister-job",
    "evaluate-job",
    "alloc-lifecycle",
  ]
}

# A bot's job mounts its wallet's log volume, and no other volume.
host_volume "logs-*" {
  capabilities = ["mount-readwrite"]
}
