# What may be chosen. dev.tfvars and production.tfvars are two choices that fit together.

variable "subscription" {
  description = "ID of the subscription."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.subscription))
    error_message = "subscription must be a subscription's ID, in lower case: az account show --query id."
  }
}

variable "name" {
  description = "What the names of all resources begin with."
  type        = string
  default     = "azfinsim"

  validation {
    # A Key Vault's name has 24 characters at most, of which 3 + 8 are ours.
    condition     = can(regex("^[a-z][a-z0-9]{2,11}$", var.name))
    error_message = "name must be 3 to 12 characters, a to z and 0 to 9, a letter first."
  }
}

variable "location" {
  description = "Azure region."
  type        = string
  default     = "westeurope"

  validation {
    condition     = can(regex("^[a-z0-9]+$", var.location))
    error_message = "location must be a region's short name, as in westeurope: az account list-locations."
  }
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}

variable "operators" {
  description = "Object IDs of users and groups who submit jobs, besides whoever deploys."
  type        = set(string)
  default     = []

  validation {
    condition = alltrue([
      for id in var.operators : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", id))
    ])
    error_message = "operators must be object IDs of Entra ID: az ad signed-in-user show --query id."
  }
}

variable "deployers" {
  description = "Object IDs of those who have deployed before; `azfinsim infra deploy` fills it in."
  type        = set(string)
  default     = []

  validation {
    condition = alltrue([
      for id in var.deployers : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", id))
    ])
    error_message = "deployers must be object IDs of Entra ID."
  }
}

variable "former_operators" {
  description = "Object IDs of those who are operators no longer, though they have deployed."
  type        = set(string)
  default     = []

  validation {
    condition = alltrue([
      for id in var.former_operators : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", id))
    ])
    error_message = "former_operators must be object IDs of Entra ID, as the output deployers has them."
  }
}

# --- Network ------------------------------------------------------------------------------------

variable "private_endpoints" {
  description = "Reach Redis, storage, Key Vault, Batch and the registry by private endpoints alone."
  type        = bool
  default     = true
}

variable "address_space" {
  description = "Address range of the network; a /22 or larger."
  type        = string
  default     = "10.20.0.0/20"

  validation {
    condition     = can(cidrnetmask(var.address_space)) && tonumber(try(split("/", var.address_space)[1], 32)) <= 22
    error_message = "address_space must be a range of IPv4 addresses of /22 or larger, as in 10.20.0.0/20."
  }
}

variable "allowed_ips" {
  description = "Public addresses and ranges that may reach storage, Key Vault and Batch from outside."
  type        = set(string)
  default     = []

  validation {
    condition = alltrue([
      for ip in var.allowed_ips : can(cidrnetmask(strcontains(ip, "/") ? ip : "${ip}/32"))
    ])
    error_message = "allowed_ips must be IPv4 addresses or ranges, as in 203.0.113.7 or 203.0.113.0/24."
  }
}

variable "peer_vnets" {
  description = "Networks, by a name of yours, to be peered from our side and told our private names."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for id in values(var.peer_vnets) : can(regex("/virtualNetworks/[^/]+$", id))
    ])
    error_message = "peer_vnets must be resource IDs of virtual networks: /subscriptions/…/virtualNetworks/NAME."
  }
}

variable "registry_public" {
  description = "Leave the registry's public endpoint open, which `az acr build` needs; Entra ID still guards it."
  type        = bool
  default     = true

  validation {
    condition     = var.registry_public || var.private_endpoints
    error_message = "registry_public = false needs private_endpoints: nobody could reach the registry."
  }
}

# --- Redis --------------------------------------------------------------------------------------

variable "redis_sku" {
  description = "Size of Azure Managed Redis. Some 400 bytes a trade with its result, and as much again free."
  type        = string
  default     = "Balanced_B5"

  validation {
    condition     = can(regex("^(Balanced_B(0|1|3|5|10|20|50|100)|MemoryOptimized_M(10|20|50|100)|ComputeOptimized_X(3|5|10|20|50|100))$", var.redis_sku))
    error_message = "redis_sku must be as in Balanced_B5, MemoryOptimized_M20 or ComputeOptimized_X10, of 100 GB at most."
  }
}

variable "redis_high_availability" {
  description = "A replica of each shard. Without, a fault or maintenance loses what was not yet on disk."
  type        = bool
  default     = true
}

variable "redis_append_only" {
  description = "An append-only file, written every second."
  type        = bool
  default     = true
}

# --- Pools --------------------------------------------------------------------------------------

variable "bulk_vm_size" {
  description = "Machine of the bulk pool; x86-64. With AVX-512, as Ds_v5 has, it prices nearly twice as fast as without, as Das_v5."
  type        = string
  default     = "Standard_D8s_v5"

  validation {
    condition     = can(regex("^Standard_[A-Z]+[0-9]+", var.bulk_vm_size)) && !can(regex("^Standard_(D|DS|F|FS)[0-9]+(_v2)?$", var.bulk_vm_size))
    error_message = "bulk_vm_size must be as in Standard_D8s_v5; the first generations of D, Ds, Dv2 and F retire."
  }

  validation {
    condition     = !can(regex("^Standard_[A-Z]+[0-9]+(-[0-9]+)?[a-z]*p[a-z]*_", var.bulk_vm_size))
    error_message = "bulk_vm_size must not be an Arm machine (a p in its name): the image is for x86-64."
  }
}

variable "bulk_slots" {
  description = "Consumer tasks at once on a bulk node; a consumer uses all cores by itself."
  type        = number
  default     = 1

  validation {
    condition     = var.bulk_slots >= 1 && var.bulk_slots <= 256 && floor(var.bulk_slots) == var.bulk_slots
    error_message = "bulk_slots must be a whole number from 1 to 256."
  }
}

variable "bulk_nodes" {
  description = "The most nodes of the bulk pool; it falls to none when no task is left."
  type        = number
  default     = 10

  validation {
    condition     = var.bulk_nodes >= 1 && var.bulk_nodes <= 1000 && floor(var.bulk_nodes) == var.bulk_nodes
    error_message = "bulk_nodes must be a whole number from 1 to 1000."
  }
}

variable "bulk_dedicated" {
  description = "The most dedicated nodes that stand in for evicted Spot nodes."
  type        = number
  default     = 4

  validation {
    condition     = var.bulk_dedicated >= 0 && var.bulk_dedicated <= var.bulk_nodes && floor(var.bulk_dedicated) == var.bulk_dedicated
    error_message = "bulk_dedicated must be a whole number from 0 to bulk_nodes."
  }
}

variable "realtime_vm_size" {
  description = "Machine of the realtime pool."
  type        = string
  default     = "Standard_D4s_v5"

  validation {
    condition     = can(regex("^Standard_[A-Z]+[0-9]+", var.realtime_vm_size)) && !can(regex("^Standard_(D|DS|F|FS)[0-9]+(_v2)?$", var.realtime_vm_size))
    error_message = "realtime_vm_size must be as in Standard_D4s_v5; the first generations of D, Ds, Dv2 and F retire."
  }

  validation {
    condition     = !can(regex("^Standard_[A-Z]+[0-9]+(-[0-9]+)?[a-z]*p[a-z]*_", var.realtime_vm_size))
    error_message = "realtime_vm_size must not be an Arm machine (a p in its name): the image is for x86-64."
  }
}

variable "realtime_slots" {
  description = "Tasks at once on a realtime node: a consumer, and room for a controller beside it."
  type        = number
  default     = 2

  validation {
    condition     = var.realtime_slots >= 1 && var.realtime_slots <= 256 && floor(var.realtime_slots) == var.realtime_slots
    error_message = "realtime_slots must be a whole number from 1 to 256."
  }
}

variable "realtime_nodes" {
  description = "Dedicated nodes of the realtime pool, which are there and paid for day and night."
  type        = number
  default     = 2

  validation {
    condition     = var.realtime_nodes >= 0 && var.realtime_nodes <= 100 && floor(var.realtime_nodes) == var.realtime_nodes
    error_message = "realtime_nodes must be a whole number from 0 to 100."
  }
}

variable "controller_on_pool" {
  description = "Let tasks start and end consumers, for a controller that itself runs on the realtime pool."
  type        = bool
  default     = false
}

variable "image_tag" {
  description = "Tag of the image that nodes fetch when they start, so that tasks need not wait; empty for none."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{0,128}$", var.image_tag))
    error_message = "image_tag must be a tag, as in 0.1.0-1a2b3c4."
  }
}

# --- Storage, vault, registry ---------------------------------------------------------------------

variable "storage_replication" {
  description = "LRS: three copies in one building; ZRS: in three of them."
  type        = string
  default     = "ZRS"

  validation {
    condition     = contains(["LRS", "ZRS"], var.storage_replication)
    error_message = "storage_replication must be LRS or ZRS."
  }
}

variable "logs_days" {
  description = "Days after which logs in Blob Storage are deleted."
  type        = number
  default     = 30

  validation {
    condition     = var.logs_days >= 1 && var.logs_days <= 3650
    error_message = "logs_days must be from 1 to 3650."
  }
}

variable "results_days" {
  description = "Days after which results are deleted; from the 30th day on they lie in the cool tier."
  type        = number
  default     = 365

  validation {
    condition     = var.results_days >= 31 && var.results_days <= 3650
    error_message = "results_days must be from 31 to 3650."
  }
}

variable "purge_protection" {
  description = "Keep a destroyed Key Vault for 90 days, with its name."
  type        = bool
  default     = true
}

# --- Watching -------------------------------------------------------------------------------------

variable "telemetry_days" {
  description = "Days that telemetry is kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([30, 60, 90, 120, 180, 270, 365, 550, 730], var.telemetry_days)
    error_message = "telemetry_days must be 30, 60, 90, 120, 180, 270, 365, 550 or 730."
  }
}

variable "telemetry_gb_a_day" {
  description = "Telemetry beyond this is dropped until the next day."
  type        = number
  default     = 5

  validation {
    condition     = var.telemetry_gb_a_day > 0 && var.telemetry_gb_a_day <= 1000
    error_message = "telemetry_gb_a_day must be more than 0 and at most 1000."
  }
}

variable "alert_emails" {
  description = "Who is told of alerts and of the budget; with nobody there are no alerts and no budget."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.alert_emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", email))])
    error_message = "alert_emails must be e-mail addresses."
  }
}

variable "alert_backlog_minutes" {
  description = "Alert when the oldest entry has waited for so long."
  type        = number
  default     = 30

  validation {
    condition     = var.alert_backlog_minutes >= 1 && var.alert_backlog_minutes <= 1440
    error_message = "alert_backlog_minutes must be from 1 to 1440."
  }
}

variable "alert_realtime_ms" {
  description = "Alert when realtime's 99th percentile from end to end is above so many milliseconds."
  type        = number
  default     = 100

  validation {
    condition     = var.alert_realtime_ms >= 1 && var.alert_realtime_ms <= 60000
    error_message = "alert_realtime_ms must be from 1 to 60000."
  }
}

variable "budget" {
  description = "What a month may cost, in the subscription's currency; 0 for no budget. It warns, and stops nothing."
  type        = number
  default     = 0

  validation {
    condition     = var.budget >= 0
    error_message = "budget must be 0 or more."
  }

  validation {
    condition     = var.budget == 0 || length(var.alert_emails) > 0
    error_message = "budget needs alert_emails: there is nobody to be warned."
  }
}
