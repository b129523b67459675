# The control API and the page. No docker socket, no static token: it signs in to Nomad and Vault by workload identity.
# By hand: nomad job run -var image=… -var bot_image=… -var postgres_host=… -var vault_addr=… jobs/api.nomad.hcl

variable "image" {
  type        = string
  default     = "drover-api:latest"
  description = "Image made from Dockerfile.api: a tag, a digest or a local image id."
}

variable "bot_image" {
  type        = string
  default     = "drover-bot:latest"
  description = "Image that bots run; an id or digest, so that all run the same."
}

variable "page_network" {
  type        = string
  default     = "loopback"
  description = "host_network of the client that the page is published on: loopback, or outside."
}

variable "port" {
  type        = number
  default     = 8000
  description = "Port of the page on the node."
}

variable "postgres_host" {
  type        = string
  default     = "172.17.0.1"
  description = "Address of Postgres as a container reaches it."
}

variable "postgres_port" {
  type    = number
  default = 5432
}

variable "redis_addr" {
  type        = string
  default     = "172.17.0.1:6379"
  description = "Redis as a bot reaches it."
}

variable "vault_addr" {
  type        = string
  default     = "http://172.17.0.1:8200"
  description = "Vault as a container reaches it."
}

variable "paper_grpc" {
  type        = string
  default     = "172.17.0.1:9900"
  description = "The paper venue's gRPC server as a bot reaches it."
}

variable "paper_http" {
  type        = string
  default     = "http://172.17.0.1:9901"
  description = "The paper venue's HTTP server as a bot reaches it."
}

variable "datacenter" {
  type    = string
  default = "dc1"
}

variable "allow_mainnet" {
  type        = bool
  default     = false
  description = "Lets bots be started on mainnet, with real money; each start is confirmed too."
}

variable "trusted_proxy" {
  type        = string
  default     = ""
  description = "Address of a reverse proxy whose X-Forwarded-* headers are believed."
}

job "api" {
  namespace   = "hub"
  type        = "service"
  datacenters = [var.datacenter]

  group "api" {
    network {
      port "http" {
        static       = var.port
        to           = 8000
        host_network = var.page_network
      }
    }

    # The page is how people stop bots: never give up.
    restart {
      attempts = 6
      interval = "1m"
      delay    = "2s"
      mode     = "delay"
    }

    service {
      name     = "api"
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/healthz"
        interval = "5s"
        timeout  = "2s"
      }
    }

    # Brings the schema up to date as the database's owner, then is gone: the API itself never holds that password.
    task "migrate" {
      driver = "docker"
      user   = "10001:10001"

      lifecycle {
        hook    = "prestart"
        sidecar = false
      }

      vault {
        role         = "api-migrate"
        env          = false
        disable_file = true
        change_mode  = "noop"
      }

      template {
        destination          = "secrets/db-owner.json"
        perms                = "0400"
        uid                  = 10001
        gid                  = 10001
        change_mode          = "noop"
        once                 = true
        error_on_missing_key = true
        data                 = <<-EOT
          {{- with secret "hub/data/postgres/owner" -}}
          {"host": {{ env "POSTGRES_HOST" | toJSON }}, "port": {{ env "POSTGRES_PORT" }}, "database": "drover",
           "username": {{ .Data.data.username | toJSON }}, "password": {{ .Data.data.password | toJSON }}}
          {{- end -}}
        EOT
      }

      template {
        destination          = "secrets/db-api.json"
        perms                = "0400"
        uid                  = 10001
        gid                  = 10001
        change_mode          = "noop"
        once                 = true
        error_on_missing_key = true
        data                 = <<-EOT
          {{- with secret "hub/data/postgres/api" -}}
          {"host": {{ env "POSTGRES_HOST" | toJSON }}, "port": {{ env "POSTGRES_PORT" }}, "database": "drover",
           "username": {{ .Data.data.username | toJSON }}, "password": {{ .Data.data.password | toJSON }}}
          {{- end -}}
        EOT
      }

      template {
        destination          = "secrets/db-bots.json"
        perms                = "0400"
        uid                  = 10001
        gid                  = 10001
        change_mode          = "noop"
        once                 = true
        error_on_missing_key = true
        data                 = <<-EOT
          {{- with secret "hub/data/postgres/bots" -}}
          {"host": {{ env "POSTGRES_HOST" | toJSON }}, "port": {{ env "POSTGRES_PORT" }}, "database": "drover",
           "username": {{ .Data.data.username | toJSON }}, "password": {{ .Data.data.password | toJSON }}}
          {{- end -}}
        EOT
      }

      env {
        POSTGRES_HOST = var.postgres_host
        POSTGRES_PORT = var.postgres_port
      }

      config {
        image           = var.image
        force_pull      = false
        init            = true
        args            = ["api.migrate"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
        pids_limit      = 32
      }

      logs {
        max_files     = 2
        max_file_size = 5
      }

      resources {
        cpu    = 500
        memory = 256
      }
    }

    task "api" {
      driver       = "docker"
      user         = "10001:10001"
      kill_signal  = "SIGTERM"
      kill_timeout = "15s"

      # The token's file is rewritten by Nomad when it renews or replaces it; the API reads it on each use.
      vault {
        role        = "api"
        env         = false
        change_mode = "noop"
      }

      # For everything but a plan: this task's own identity, over the Task API socket /secrets/api.sock.
      identity {
        env         = true
        file        = true
        change_mode = "noop"
      }

      # For plans, which refuse a workload identity: exchanged at /v1/acl/login for a token of 15 minutes.
      identity {
        name        = "login"
        aud         = ["drover-login"]
        ttl         = "1h"
        file        = true
        change_mode = "noop"
      }

      template {
        destination          = "secrets/db-api.json"
        perms                = "0400"
        uid                  = 10001
        gid                  = 10001
        change_mode          = "restart"
        error_on_missing_key = true
        data                 = <<-EOT
          {{- with secret "hub/data/postgres/api" -}}
          {"host": {{ env "POSTGRES_HOST" | toJSON }}, "port": {{ env "POSTGRES_PORT" }}, "database": "drover",
           "username": {{ .Data.data.username | toJSON }}, "password": {{ .Data.data.password | toJSON }}}
          {{- end -}}
        EOT
      }

      # Read on each use: a new key ends all sessions without a restart.
      template {
        destination          = "secrets/session_key"
        perms                = "0400"
        uid                  = 10001
        gid                  = 10001
        change_mode          = "noop"
        error_on_missing_key = true
        data                 = <<-EOT
          {{- with secret "hub/data/api" }}{{ .Data.data.session_key }}{{ end -}}
        EOT
      }

      env {
        POSTGRES_HOST = var.postgres_host
        POSTGRES_PORT = var.postgres_port

        DROVER_BOT_IMAGE     = var.bot_image
        DROVER_VAULT_ADDR    = var.vault_addr
        DROVER_REDIS_ADDR    = var.redis_addr
        DROVER_LEDGER_ADDR   = "${var.postgres_host}:${var.postgres_port}"
        DROVER_PAPER_GRPC    = var.paper_grpc
        DROVER_PAPER_HTTP    = var.paper_http
        DROVER_DATACENTER    = var.datacenter
        DROVER_ALLOW_MAINNET = var.allow_mainnet
        DROVER_TRUSTED_PROXY = var.trusted_proxy
      }

      config {
        image           = var.image
        force_pull      = false
        init            = true
        args            = ["api"]
        ports           = ["http"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
        pids_limit      = 64
        cpu_hard_limit  = true

        mount {
          type   = "tmpfs"
          target = "/tmp"

          tmpfs_options {
            size = 16777216
            mode = 1023
          }
        }
      }

      logs {
        max_files     = 5
        max_file_size = 10
      }

      resources {
        cpu    = 500
        memory = 256
      }
    }
  }
}
