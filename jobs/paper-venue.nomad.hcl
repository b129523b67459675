# The paper Injective venue: a gRPC server for the SDK, with a chain id of its own. No real money, no real keys.
# By hand: nomad volume create jobs/volumes/paper-venue.volume.hcl && nomad job run -var image=… jobs/paper-venue.nomad.hcl

variable "image" {
  type        = string
  default     = "drover-bot:latest"
  description = "The bot image, which carries the venue too."
}

variable "grpc_port" {
  type        = number
  default     = 9900
  description = "Chain, stream and indexer, on the node's bridge address."
}

variable "http_port" {
  type        = number
  default     = 9901
  description = "Token list and faucet, on the node's bridge address."
}

variable "admin_port" {
  type        = number
  default     = 0
  description = "Faults on demand, on the node's bridge address, without credentials: for tests. 0 is off."
}

variable "datacenter" {
  type    = string
  default = "dc1"
}

job "paper-venue" {
  namespace   = "hub"
  type        = "service"
  datacenters = [var.datacenter]

  group "paper-venue" {
    network {
      port "grpc" {
        static       = var.grpc_port
        to           = 9900
        host_network = "bridge"
      }

      port "http" {
        static       = var.http_port
        to           = 9901
        host_network = "bridge"
      }

      dynamic "port" {
        for_each = var.admin_port == 0 ? [] : [var.admin_port]
        labels   = ["admin"]

        content {
          static       = port.value
          to           = 9902
          host_network = "bridge"
        }
      }
    }

    volume "state" {
      type            = "host"
      source          = "paper-venue"
      access_mode     = "single-node-single-writer"
      attachment_mode = "file-system"
    }

    restart {
      attempts = 6
      interval = "1m"
      delay    = "2s"
      mode     = "delay"
    }

    service {
      name     = "paper-venue"
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/healthz"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "paper-venue" {
      driver       = "docker"
      user         = "10001:10001"
      kill_timeout = "15s"

      env {
        PAPER_LISTEN_GRPC  = "0.0.0.0:9900"
        PAPER_LISTEN_HTTP  = "0.0.0.0:9901"
        PAPER_LISTEN_ADMIN = var.admin_port == 0 ? "" : "0.0.0.0:9902"
        STATE_DIR          = "/state"
      }

      volume_mount {
        volume      = "state"
        destination = "/state"
      }

      config {
        image           = var.image
        force_pull      = false
        init            = true
        args            = ["bots.paper"]
        ports           = var.admin_port == 0 ? ["grpc", "http"] : ["grpc", "http", "admin"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
        pids_limit      = 64

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
        max_files     = 3
        max_file_size = 10
      }

      resources {
        cpu    = 100
        memory = 256
      }
    }
  }
}
