# The paper venue's state, a folder on the node; by hand: nomad volume create jobs/volumes/paper-venue.volume.hcl
name      = "paper-venue"
namespace = "hub"
type      = "host"
plugin_id = "mkdir"

parameters {
  mode = "0700"
  uid  = 10001
  gid  = 10001
}

capability {
  access_mode     = "single-node-single-writer"
  attachment_mode = "file-system"
}
