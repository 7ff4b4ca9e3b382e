#!/usr/bin/env node
import { main } from "@nagare/cli";

process.exitCode = await main(process.argv.slice(2));
