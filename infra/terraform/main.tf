# Names, and the group that holds everything.

data "azurerm_client_config" "current" {}

locals {
  # Names of some kinds must be unique in all of Azure. The same every time for one deployment, and
  # hard to meet for another.
  suffix = substr(sha256("${var.subscription}/${var.name}/${var.location}"), 0, 8)
  name   = "${var.name}-${local.suffix}"
  # Where no hyphen may be.
  plain = "${var.name}${local.suffix}"

  tags = merge({ application = "azfinsim" }, var.tags)

  operators = setunion(var.operators, [data.azurerm_client_config.current.object_id])
}

resource "azurerm_resource_group" "grid" {
  name     = local.name
  location = var.location
  tags     = local.tags
}
