package app

import (
	"github.com/spf13/cobra"

	"github.com/coexstream/coexstream/internal/config"
)

func (a *app) configCommand() *cobra.Command {
	forUp := false
	defaults := func() config.Default {
		if forUp {
			return config.UpDefaults()
		}
		return nil
	}
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print, validate and explain the configuration",
		Long: `Configuration comes from built-in defaults, a YAML file, the environment and flags. A later one overrides an
earlier one. --config or ` + config.ConfigEnv + ` names the file; without both, ./` + config.DefaultFile + ` is read if it exists.
--set key=value sets any key, and so does the environment variable of the key. Durations have the form 250ms,
30m, 14d; sizes the form 1048576, 16MiB or 16MB (see docs/configuration.md).

Keys:

` + config.Reference(),
		Example: `  coexstream config print
  coexstream config validate --config /etc/coexstream.yaml
  coexstream config keys`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().BoolVar(&forUp, "up", false, "with the defaults of up")
	cmd.AddCommand(
		&cobra.Command{
			Use:   "print",
			Short: "Print the effective configuration as YAML, secrets redacted",
			Example: `  coexstream config print
  coexstream config print --up --set kafka.prefix=test.`,
			Args: none,
			RunE: func(cmd *cobra.Command, _ []string) error {
				cfg, err := a.load(cmd, defaults())
				if err != nil {
					return err
				}
				return cfg.Print(cmd.OutOrStdout())
			},
		},
		&cobra.Command{
			Use:     "validate",
			Short:   "Check the configuration and print every error",
			Example: "  coexstream config validate --config /etc/coexstream.yaml",
			Args:    none,
			RunE: func(cmd *cobra.Command, _ []string) error {
				if _, err := a.load(cmd, defaults()); err != nil {
					return err
				}
				sayf(cmd.OutOrStdout(), "the configuration is valid\n")
				return nil
			},
		},
		a.configKeysCommand(),
	)
	return cmd
}

func (a *app) configKeysCommand() *cobra.Command {
	format := "text"
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "List every key with its kind, default, meaning and environment variable",
		Example: `  coexstream config keys
  coexstream config keys --output markdown`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(format, "text", "markdown"); err != nil {
				return err
			}
			if format == "markdown" {
				sayf(cmd.OutOrStdout(), "%s\n%s", config.Table(), config.SourceTable())
				return nil
			}
			sayf(cmd.OutOrStdout(), "%s", config.Reference())
			return nil
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", format, "text or markdown")
	return cmd
}
