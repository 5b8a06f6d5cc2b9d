terraform {
  # Conditions on a variable may look at others.
  required_version = ">= 1.9"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.0"
    }
  }
}

provider "azurerm" {
  subscription_id = var.subscription

  # Blobs are not reached by keys, which are off.
  storage_use_azuread = true

  resource_provider_registrations = "none"
  resource_providers_to_register = [
    "Microsoft.AlertsManagement",
    "Microsoft.Batch",
    "Microsoft.Cache",
    "Microsoft.Consumption",
    "Microsoft.ContainerRegistry",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.Storage",
  ]

  features {
    application_insights {
      # Else Azure puts an alert of its own into the resource group, which then cannot be destroyed.
      disable_generated_rule = true
    }

    key_vault {
      # A vault that may not be purged keeps its name for as long as purge protection says.
      purge_soft_delete_on_destroy    = !var.purge_protection
      recover_soft_deleted_key_vaults = true
    }

    storage {
      # All is done by Azure's resource manager: behind a private endpoint whoever deploys may not
      # reach the blobs themselves.
      data_plane_available = false
    }
  }
}
