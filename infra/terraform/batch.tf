# The machines: an autoscaled pool of Spot nodes for bulk, and a static one of dedicated nodes for
# realtime. Tasks are consumers, in containers.

resource "azurerm_batch_account" "grid" {
  name                          = local.plain
  location                      = azurerm_resource_group.grid.location
  resource_group_name           = azurerm_resource_group.grid.name
  pool_allocation_mode          = "BatchService"
  allowed_authentication_modes  = ["AAD"]
  public_network_access_enabled = local.public
  tags                          = local.tags

  dynamic "network_profile" {
    for_each = local.public ? [1] : []
    content {
      account_access {
        default_action = local.open ? "Allow" : "Deny"
        dynamic "ip_rule" {
          for_each = var.allowed_ips
          content {
            action   = "Allow"
            ip_range = ip_rule.value
          }
        }
      }
      # Nodes come by the private endpoint, or else from the NAT gateway's address.
      node_management_access {
        default_action = "Deny"
        dynamic "ip_rule" {
          for_each = var.private_endpoints ? [] : [azurerm_public_ip.outward.ip_address]
          content {
            action   = "Allow"
            ip_range = ip_rule.value
          }
        }
      }
    }
  }
}

locals {
  # What both pools are, but for size and scale.
  node = {
    publisher = "microsoft-dsvm"
    offer     = "ubuntu-hpc" # Has a container runtime.
    sku       = "2404"
    agent     = "batch.node.ubuntu 24.04"
  }
  images = var.image_tag == "" ? [] : ["${azurerm_container_registry.grid.login_server}/azfinsim:${var.image_tag}"]

  formula = templatefile("${path.module}/bulk.autoscale", {
    tasks_per_node = var.bulk_slots
    most_nodes     = var.bulk_nodes
    most_dedicated = var.bulk_dedicated
  })
}

resource "azurerm_batch_pool" "bulk" {
  name                           = "bulk"
  resource_group_name            = azurerm_resource_group.grid.name
  account_name                   = azurerm_batch_account.grid.name
  display_name                   = "azfinsim bulk"
  vm_size                        = var.bulk_vm_size
  max_tasks_per_node             = var.bulk_slots
  node_agent_sku_id              = local.node.agent
  target_node_communication_mode = "Simplified"
  inter_node_communication       = "Disabled"

  auto_scale {
    evaluation_interval = "PT5M" # Batch takes no less.
    formula             = local.formula
  }

  # Fill a node before the next one: the others come free sooner, and are let go.
  task_scheduling_policy {
    node_fill_type = "Pack"
  }

  identity {
    type = "UserAssigned"
    identity_ids = [
      azurerm_user_assigned_identity.consumer.id,
      azurerm_user_assigned_identity.registry.id,
    ]
  }

  storage_image_reference {
    publisher = local.node.publisher
    offer     = local.node.offer
    sku       = local.node.sku
    version   = "latest"
  }

  container_configuration {
    type                  = "DockerCompatible"
    container_image_names = local.images
    container_registries {
      registry_server           = azurerm_container_registry.grid.login_server
      user_assigned_identity_id = azurerm_user_assigned_identity.registry.id
    }
  }

  network_configuration {
    subnet_id                        = azurerm_subnet.nodes.id
    public_address_provisioning_type = "NoPublicIPAddresses"
    accelerated_networking_enabled   = true
  }

  depends_on = [terraform_data.before_nodes]
}

resource "azurerm_batch_pool" "realtime" {
  name                           = "realtime"
  resource_group_name            = azurerm_resource_group.grid.name
  account_name                   = azurerm_batch_account.grid.name
  display_name                   = "azfinsim realtime"
  vm_size                        = var.realtime_vm_size
  max_tasks_per_node             = var.realtime_slots
  node_agent_sku_id              = local.node.agent
  target_node_communication_mode = "Simplified"
  inter_node_communication       = "Disabled"

  fixed_scale {
    target_dedicated_nodes    = var.realtime_nodes
    target_low_priority_nodes = 0 # Somebody waits for the answer.
    node_deallocation_method  = "TaskCompletion"
    resize_timeout            = "PT15M"
  }

  # A consumer on every node before a second one on any.
  task_scheduling_policy {
    node_fill_type = "Spread"
  }

  identity {
    type = "UserAssigned"
    identity_ids = [
      azurerm_user_assigned_identity.consumer.id,
      azurerm_user_assigned_identity.registry.id,
    ]
  }

  storage_image_reference {
    publisher = local.node.publisher
    offer     = local.node.offer
    sku       = local.node.sku
    version   = "latest"
  }

  container_configuration {
    type                  = "DockerCompatible"
    container_image_names = local.images
    container_registries {
      registry_server           = azurerm_container_registry.grid.login_server
      user_assigned_identity_id = azurerm_user_assigned_identity.registry.id
    }
  }

  network_configuration {
    subnet_id                        = azurerm_subnet.nodes.id
    public_address_provisioning_type = "NoPublicIPAddresses"
    accelerated_networking_enabled   = true
  }

  depends_on = [terraform_data.before_nodes]
}

# A node that starts before it can get out, or before it may pull, never gets ready.
resource "terraform_data" "before_nodes" {
  depends_on = [
    azurerm_network_security_rule.nothing_else,
    azurerm_network_security_rule.outward,
    azurerm_nat_gateway_public_ip_association.outward,
    azurerm_private_endpoint.service,
    azurerm_role_assignment.pull,
    azurerm_subnet_nat_gateway_association.nodes,
    azurerm_subnet_network_security_group_association.nodes,
  ]
}
