# A function with Lamprey, its dashboard and saved queries. Run layer/build first; Terraform uploads
# the zip itself. Take over what is marked "Lamprey" into your own configuration.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "function_name" {
  type    = string
  default = "lamprey-example"
}

variable "code_zip" {
  type        = string
  description = "Your function's zip"
}

variable "role_arn" {
  type = string
}

variable "lamprey" {
  type        = string
  description = "A checkout of Lamprey in which layer/build has run"
  default     = "../../.."
}

data "aws_region" "current" {}

resource "aws_lambda_layer_version" "lamprey" { # Lamprey
  layer_name               = "lamprey-x86_64"
  filename                 = "${var.lamprey}/dist/lamprey-x86_64.zip"
  source_code_hash         = filebase64sha256("${var.lamprey}/dist/lamprey-x86_64.zip")
  compatible_architectures = ["x86_64"]
  license_info             = "Apache-2.0"
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.function_name}"
  retention_in_days = 14
}

resource "aws_lambda_function" "function" {
  function_name    = var.function_name
  filename         = var.code_zip
  source_code_hash = filebase64sha256(var.code_zip)
  runtime          = "python3.13"
  architectures    = ["x86_64"]
  handler          = "index.handler"
  role             = var.role_arn
  memory_size      = 256
  timeout          = 10
  layers           = [aws_lambda_layer_version.lamprey.arn] # Lamprey

  environment {
    variables = {
      AWS_LAMBDA_EXEC_WRAPPER = "/opt/lamprey" # Lamprey
    }
  }

  depends_on = [aws_cloudwatch_log_group.function]
}

resource "aws_cloudwatch_dashboard" "lamprey" { # Lamprey
  dashboard_name = "Lamprey-${var.function_name}"
  dashboard_body = templatefile("${var.lamprey}/layer/views/dashboard.json", {
    Region    = data.aws_region.current.name
    LogGroup  = aws_cloudwatch_log_group.function.name
    Namespace = "Lamprey"
  })
}

resource "aws_cloudwatch_query_definition" "lamprey" { # Lamprey
  for_each        = fileset("${var.lamprey}/layer/queries", "*.logsinsights")
  name            = "Lamprey/${var.function_name}/${trimsuffix(each.value, ".logsinsights")}"
  log_group_names = [aws_cloudwatch_log_group.function.name]
  query_string    = file("${var.lamprey}/layer/queries/${each.value}")
}

output "layer_arn" {
  value = aws_lambda_layer_version.lamprey.arn
}
