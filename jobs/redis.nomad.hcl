# Redis: the bots' leases, locks and state. Who may do what comes from Vault (hub/redis/acl: hashes only; config/redis/users.acl).
# By hand: nomad volume create jobs/volumes/redis.volume.hcl && nomad job run jobs/redis.nomad.hcl

variable "image" {
  type        = string
  default     = "redis:7-bookworm"
  description = "Image of Redis 7: a tag, a digest or a local image id."
}

variable "port" {
  type        = number
  default     = 6379
  description = "Port on the node's bridge address."
}

variable "datacenter" {
  type    = string
  default = "dc1"
}

job "redis" {
  namespace   = "hub"
  type        = "service"
  datacenters = [var.datacenter]

  group "redis" {
    network {
      port "redis" {
        static       = var.port
        to           = 6379
        host_network = "bridge"
      }
    }

    volume "data" {
      type            = "host"
      source          = "redis"
      access_mode     = "single-node-single-writer"
      attachment_mode = "file-system"
    }

    # Without leases no bot trades: never give up.
    restart {
      attempts = 6
      interval = "1m"
      delay    = "1s"
      mode     = "delay"
    }

    service {
      name     = "redis"
      port     = "redis"
      provider = "nomad"

      check {
        type     = "tcp"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "redis" {
      driver = "docker"
      user   = "999:999"
      # Writes what it holds, then ends.
      kill_signal  = "SIGTERM"
      kill_timeout = "15s"

      vault {
        role         = "hub-redis"
        env          = false
        disable_file = true
        change_mode  = "noop"
      }

      # `drover` tells a running Redis of a new wallet at once; this file is for its next start, and for a Redis that
      # `drover` cannot reach. Redis 7.0 closes every connection when it loads the file, so only a
      # change is loaded (it lists a user's commands in any order).
      template {
        destination          = "secrets/users.acl"
        perms                = "0400"
        uid                  = 999
        gid                  = 999
        change_mode          = "script"
        error_on_missing_key = true
        data                 = <<-EOT
          {{- with secret "hub/data/redis/acl" }}{{ .Data.data.file }}{{ end -}}
        EOT

        change_script {
          command = "/bin/sh"
          args = ["-c", <<-EOT
            REDISCLI_AUTH="$(cat /secrets/reload)"; export REDISCLI_AUTH
            words() { tr ' ' '\n' | sort; }
            known="$(redis-cli --user reload acl list | words)"
            [ "$known" = "$(words </secrets/users.acl)" ] || redis-cli --user reload acl load
          EOT
          ]
          timeout = "10s"
        }
      }

      template {
        destination          = "secrets/reload"
        perms                = "0400"
        uid                  = 999
        gid                  = 999
        change_mode          = "noop"
        error_on_missing_key = true
        data                 = <<-EOT
          {{- with secret "hub/data/redis/reload" }}{{ .Data.data.password }}{{ end -}}
        EOT
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      config {
        image           = var.image
        force_pull      = false
        ports           = ["redis"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
        pids_limit      = 32

        # protected-mode goes off because the ACL file turns the nameless user off. A full memory refuses writes and
        # drops nothing: a lease must not vanish. What is left up to the limit is for the copy that rewrites the log.
        args = [
          "redis-server",
          "--bind", "*",
          "--protected-mode", "no",
          "--aclfile", "/secrets/users.acl",
          "--dir", "/data",
          "--save", "",
          "--appendonly", "yes",
          "--appendfsync", "everysec",
          "--maxmemory", "48mb",
          "--maxmemory-policy", "noeviction",
          "--maxclients", "500",
          "--tcp-keepalive", "30",
        ]
      }

      logs {
        max_files     = 3
        max_file_size = 10
      }

      resources {
        cpu    = 50
        memory = 96
      }
    }
  }
}
