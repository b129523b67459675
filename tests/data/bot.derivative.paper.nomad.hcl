# One trading bot. Rendered by Drover; change the bot through Drover, or it shows as drifted.
job "wallet-1.inj-usdt-perp.derivative" {
  namespace   = "bots"
  type        = "service"
  datacenters = ["dc1"]

  meta {
    drover_network = "paper"
  }

  group "bot" {
    count = 1

    # A crash restarts for ever and never waits longer than a minute; a person's Stop deregisters the job.
    restart {
      attempts = 6
      interval = "1m"
      delay    = "2s"
      mode     = "delay"
    }

    # A node that lost its servers stops the bot before a replacement elsewhere could trade beside it.
    disconnect {
      stop_on_client_after = "60s"
    }

    # Sticky: what waits for the ledger moves to a replacement on the same node.
    ephemeral_disk {
      size   = 150
      sticky = true
    }

    network {
      port "metrics" {
        to           = 9100
        host_network = "bridge"
      }
    }

    # One volume a wallet: no bot can touch another wallet's logs.
    volume "logs" {
      type            = "host"
      source          = "logs-wallet-1"
      access_mode     = "single-node-multi-writer"
      attachment_mode = "file-system"
    }

    # A service's name may hold no dot, so the bot's id is a tag. A bot that says for half a minute that its stream or
    # its heartbeat is stale is started anew.
    service {
      name     = "bot"
      provider = "nomad"
      port     = "metrics"
      tags     = ["wallet-1.inj-usdt-perp.derivative"]

      check {
        type     = "http"
        path     = "/healthz"
        interval = "5s"
        timeout  = "2s"

        check_restart {
          limit = 6
          grace = "90s"
        }
      }
    }

    task "bot" {
      driver         = "docker"
      user           = "10001:10001"
      kill_signal    = "SIGTERM"
      kill_timeout   = "30s"
      shutdown_delay = "0s"

      vault {
        role         = "wallet-wallet-1"
        env          = false
        disable_file = true
        change_mode  = "noop"
      }

      # The key: a file on the task's tmpfs that only the bot's user reads. The wallet's name comes in by
      # the environment, so that no value is ever written into template text. `once`: neither a bad new
      # key nor a Vault outage disturbs a running bot.
      template {
        destination          = "secrets/wallet.key"
        perms                = "0400"
        uid                  = 10001
        gid                  = 10001
        change_mode          = "noop"
        once                 = true
        error_on_missing_key = true
        data                 = <<-EOT
          {{- with secret (printf "wallets/data/%s" (env "WALLET_ID")) }}{{ .Data.data.private_key }}{{ end -}}
        EOT
      }

      # Whose money the key trades, and which version of it this is; for a trading-only key, who granted it and which
      # subaccount. No secret. `index`: a field that a secret lacks is no error.
      template {
        destination          = "secrets/wallet.json"
        perms                = "0400"
        uid                  = 10001
        gid                  = 10001
        change_mode          = "noop"
        once                 = true
        error_on_missing_key = true
        data                 = <<-EOT
          {{- with secret (printf "wallets/data/%s" (env "WALLET_ID")) -}}
          {"account": {{ .Data.data.account | toJSON }}, "key_version": {{ .Data.metadata.version }}
          {{- with index .Data.data "granter" }}, "granter": {{ . | toJSON }}{{ end }}
          {{- with index .Data.data "subaccount" }}, "subaccount": {{ . | toJSON }}{{ end }}}
          {{- end -}}
        EOT
      }

      # The wallet's own login to Redis, which reaches only keys that begin with the wallet's name.
      template {
        destination          = "secrets/redis.json"
        perms                = "0400"
        uid                  = 10001
        gid                  = 10001
        change_mode          = "noop"
        once                 = true
        error_on_missing_key = true
        data                 = <<-EOT
          {{- with secret (printf "hub/data/redis/wallets/%s" (env "WALLET_ID")) -}}
          {"username": {{ .Data.data.username | toJSON }}, "password": {{ .Data.data.password | toJSON }}}
          {{- end -}}
        EOT
      }

      # The bots' login to the ledger.
      template {
        destination          = "secrets/ledger.json"
        perms                = "0400"
        uid                  = 10001
        gid                  = 10001
        change_mode          = "noop"
        once                 = true
        error_on_missing_key = true
        data                 = <<-EOT
          {{- with secret "hub/data/postgres/bots" -}}
          {"username": {{ .Data.data.username | toJSON }}, "password": {{ .Data.data.password | toJSON }}}
          {{- end -}}
        EOT
      }

      env {
        BOT_ID    = "wallet-1.inj-usdt-perp.derivative"
        WALLET_ID = "wallet-1"
        MARKET    = "inj-usdt-perp"
        BOT_TYPE  = "derivative"
        NETWORK   = "paper"
        LOG_LEVEL = "INFO"

        REDIS_ADDR     = "172.17.0.1:6379"
        LEDGER_ADDR    = "172.17.0.1:5432"
        LEDGER_DB      = "drover"
        METRICS_LISTEN = "0.0.0.0:9100"
        LOG_DIR        = "/logs"
        # Here wait the fills that the ledger has not taken yet: this folder outlives the process.
        SPOOL_DIR = "/alloc/data"

        PAPER_GRPC = "172.17.0.1:9900"
        PAPER_HTTP = "http://172.17.0.1:9901"
      }

      volume_mount {
        volume      = "logs"
        destination = "/logs"
      }

      config {
        image           = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        force_pull      = false
        init            = true
        ports           = ["metrics"]
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

        # Nomad keeps the logs (below); Docker's own copy stays small.
        logging {
          type = "json-file"

          config {
            max-size = "1m"
            max-file = "1"
          }
        }
      }

      logs {
        max_files     = 5
        max_file_size = 10
      }

      resources {
        cpu    = 250
        memory = 128
      }
    }
  }
}
