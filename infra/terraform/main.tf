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

  # Whoever deploys has to stay one when somebody else does.
  deployers = setsubtract(
    setunion(var.deployers, [data.azurerm_client_config.current.object_id]), var.former_operators
  )
  operators = setsubtract(setunion(var.operators, local.deployers), var.former_operators)
}

resource "azurerm_resource_group" "grid" {
  name     = local.name
  location = var.location
  tags     = local.tags
}
