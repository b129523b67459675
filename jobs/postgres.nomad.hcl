# Postgres: bot definitions, desired state, versions and audit. Its password comes from Vault (hub/postgres/owner).
# By hand: nomad volume create jobs/volumes/postgres.volume.hcl && nomad job run jobs/postgres.nomad.hcl

variable "image" {
  type        = string
  default     = "postgres:15-bookworm"
  description = "Image of PostgreSQL 15: a tag, a digest or a local image id."
}

variable "port" {
  type        = number
  default     = 5432
  description = "Port on the node's bridge address."
}

variable "datacenter" {
  type    = string
  default = "dc1"
}

job "postgres" {
  namespace   = "hub"
  type        = "service"
  datacenters = [var.datacenter]

  group "postgres" {
    network {
      port "postgres" {
        static       = var.port
        to           = 5432
        host_network = "bridge"
      }
    }

    volume "data" {
      type            = "host"
      source          = "postgres"
      access_mode     = "single-node-single-writer"
      attachment_mode = "file-system"
    }

    # A database that came back late is better than none: never give up.
    restart {
      attempts = 6
      interval = "1m"
      delay    = "2s"
      mode     = "delay"
    }

    service {
      name     = "postgres"
      port     = "postgres"
      provider = "nomad"

      check {
        type     = "tcp"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "postgres" {
      driver = "docker"
      user   = "999:999"
      # Fast shutdown: sessions are ended, the data is written.
      kill_signal  = "SIGINT"
      kill_timeout = "45s"

      vault {
        role         = "hub-postgres"
        env          = false
        disable_file = true
        change_mode  = "noop"
      }

      template {
        destination          = "secrets/password"
        perms                = "0400"
        uid                  = 999
        gid                  = 999
        change_mode          = "noop"
        once                 = true
        error_on_missing_key = true
        data                 = <<-EOT
          {{- with secret "hub/data/postgres/owner" }}{{ .Data.data.password }}{{ end -}}
        EOT
      }

      env {
        PGDATA                 = "/data/pg15"
        POSTGRES_USER          = "drover_owner"
        POSTGRES_DB            = "drover"
        POSTGRES_PASSWORD_FILE = "/secrets/password"
        # The public image reads these for its first start.
        POSTGRES_INITDB_ARGS      = "--auth-local=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8"
        POSTGRES_HOST_AUTH_METHOD = "scram-sha-256"
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      config {
        image           = var.image
        force_pull      = false
        ports           = ["postgres"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
        pids_limit      = 128

        args = [
          "postgres",
          "-c", "listen_addresses=*",
          "-c", "shared_buffers=32MB",
          "-c", "max_connections=40",
        ]

        mount {
          type   = "tmpfs"
          target = "/tmp"

          tmpfs_options {
            size = 16777216
            mode = 1023
          }
        }

        # The server's socket; the public image's first start goes through it.
        mount {
          type   = "tmpfs"
          target = "/var/run/postgresql"

          tmpfs_options {
            size = 1048576
          }
        }
      }

      logs {
        max_files     = 3
        max_file_size = 10
      }

      resources {
        cpu    = 100
        memory = 192
      }
    }
  }
}
