# Redis's data, a folder on the node; made once by `drover up` or by hand: nomad volume create jobs/volumes/redis.volume.hcl
name      = "redis"
namespace = "hub"
type      = "host"
plugin_id = "mkdir"

parameters {
  mode = "0700"
  uid  = 999
  gid  = 999
}

capability {
  access_mode     = "single-node-single-writer"
  attachment_mode = "file-system"
}
