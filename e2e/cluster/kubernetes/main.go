// One program that is every binary of the cluster: it looks at the name that
// it was started under and runs that component. Linking them together costs
// one compilation of the Kubernetes libraries instead of nine.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	_ "time/tzdata" // time zones of CronJobs

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	helmcmd "helm.sh/helm/v4/pkg/cmd"
	helmkube "helm.sh/helm/v4/pkg/kube"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectlcmd "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// The order is that in which a query passes the plugins.
var dnsPlugins = []string{
	"bind",
	"health",
	"ready",
	"errors",
	"cache",
	"loadbalance",
	"kubernetes",
}

func component(newCommand func() *cobra.Command) func() {
	return func() { os.Exit(cli.Run(newCommand())) }
}

var components = map[string]func(){
	"kube-apiserver":          component(apiserver.NewAPIServerCommand),
	"kube-controller-manager": component(controllermanager.NewControllerManagerCommand),
	"kube-scheduler":          component(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kube-proxy":              component(proxy.NewProxyCommand),
	"kubelet":                 component(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
	"kubectl":                 kubectl,
	"helm":                    helm,
	"etcd":                    func() { etcdmain.Main(os.Args) },
	"coredns":                 coredns,
}

func main() {
	name := filepath.Base(os.Args[0])
	run, known := components[name]
	if !known {
		fmt.Fprintf(os.Stderr, "%s: no such component: start this program through a link named kube-apiserver, kubectl, helm, ...\n", name)
		os.Exit(2)
	}
	run()
}

func kubectl() {
	logs.GlogSetter(kubectlcmd.GetLogVerbosity(os.Args)) //nolint:errcheck
	if err := cli.RunNoErrOutput(kubectlcmd.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
}

func helm() {
	// Helm's own name for the fields it manages; it would guess it from the
	// program's name otherwise.
	helmkube.ManagedFieldsManager = "helm"
	cmd, err := helmcmd.NewRootCmd(os.Stdout, os.Args[1:], helmcmd.SetupLogging)
	if err != nil {
		slog.Warn("command failed", slog.Any("error", err))
		os.Exit(1)
	}
	if err := cmd.Execute(); err != nil {
		if failed, ok := err.(helmcmd.CommandError); ok {
			os.Exit(failed.ExitCode)
		}
		os.Exit(1)
	}
}

func coredns() {
	dnsserver.Directives = dnsPlugins
	caddy.Quiet = true
	coremain.Run()
}
