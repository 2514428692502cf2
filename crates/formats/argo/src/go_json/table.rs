//! How Go's encoding/json writes a pod template (k8s.io/api 0.34.5) and a canary's steps (Argo Rollouts 1.10.1):
//! for each struct its fields in declared order. Made by `cargo xtask generate --argo-hashes`; changes belong into
//! xtask/argo-hashes.

use super::fields::{Kind, Struct, kept, omitted};

/// A pod template.
pub(crate) const TEMPLATE: Kind = Kind::Struct(&POD_TEMPLATE_SPEC);
/// A canary's steps.
pub(crate) const STEPS: Kind = Kind::List(&Kind::Struct(&CANARY_STEP));

const OWNER_REFERENCE: Struct = Struct(&[
    kept("apiVersion", Kind::Text),
    kept("kind", Kind::Text),
    kept("name", Kind::Text),
    kept("uid", Kind::Text),
    omitted("controller", Kind::Pointer(&Kind::Bool)),
    omitted("blockOwnerDeletion", Kind::Pointer(&Kind::Bool)),
]);
const MANAGED_FIELDS_ENTRY: Struct = Struct(&[
    omitted("manager", Kind::Text),
    omitted("operation", Kind::Text),
    omitted("apiVersion", Kind::Text),
    omitted("time", Kind::Pointer(&Kind::Time)),
    omitted("fieldsType", Kind::Text),
    omitted("fieldsV1", Kind::Pointer(&Kind::Raw)),
    omitted("subresource", Kind::Text),
]);
const OBJECT_META: Struct = Struct(&[
    omitted("name", Kind::Text),
    omitted("generateName", Kind::Text),
    omitted("namespace", Kind::Text),
    omitted("selfLink", Kind::Text),
    omitted("uid", Kind::Text),
    omitted("resourceVersion", Kind::Text),
    omitted("generation", Kind::Int64),
    omitted("creationTimestamp", Kind::Time),
    omitted("deletionTimestamp", Kind::Pointer(&Kind::Time)),
    omitted("deletionGracePeriodSeconds", Kind::Pointer(&Kind::Int64)),
    omitted("labels", Kind::Map(&Kind::Text)),
    omitted("annotations", Kind::Map(&Kind::Text)),
    omitted("ownerReferences", Kind::List(&Kind::Struct(&OWNER_REFERENCE))),
    omitted("finalizers", Kind::List(&Kind::Text)),
    omitted("managedFields", Kind::List(&Kind::Struct(&MANAGED_FIELDS_ENTRY))),
]);
const HOST_PATH_VOLUME_SOURCE: Struct = Struct(&[
    kept("path", Kind::Text),
    omitted("type", Kind::Pointer(&Kind::Text)),
]);
const EMPTY_DIR_VOLUME_SOURCE: Struct = Struct(&[
    omitted("medium", Kind::Text),
    omitted("sizeLimit", Kind::Pointer(&Kind::Quantity)),
]);
const GCE_PERSISTENT_DISK_VOLUME_SOURCE: Struct = Struct(&[
    kept("pdName", Kind::Text),
    omitted("fsType", Kind::Text),
    omitted("partition", Kind::Int32),
    omitted("readOnly", Kind::Bool),
]);
const AWS_ELASTIC_BLOCK_STORE_VOLUME_SOURCE: Struct = Struct(&[
    kept("volumeID", Kind::Text),
    omitted("fsType", Kind::Text),
    omitted("partition", Kind::Int32),
    omitted("readOnly", Kind::Bool),
]);
const GIT_REPO_VOLUME_SOURCE: Struct = Struct(&[
    kept("repository", Kind::Text),
    omitted("revision", Kind::Text),
    omitted("directory", Kind::Text),
]);
const KEY_TO_PATH: Struct = Struct(&[
    kept("key", Kind::Text),
    kept("path", Kind::Text),
    omitted("mode", Kind::Pointer(&Kind::Int32)),
]);
const SECRET_VOLUME_SOURCE: Struct = Struct(&[
    omitted("secretName", Kind::Text),
    omitted("items", Kind::List(&Kind::Struct(&KEY_TO_PATH))),
    omitted("defaultMode", Kind::Pointer(&Kind::Int32)),
    omitted("optional", Kind::Pointer(&Kind::Bool)),
]);
const NFS_VOLUME_SOURCE: Struct = Struct(&[
    kept("server", Kind::Text),
    kept("path", Kind::Text),
    omitted("readOnly", Kind::Bool),
]);
const LOCAL_OBJECT_REFERENCE: Struct = Struct(&[
    omitted("name", Kind::Text),
]);
const ISCSI_VOLUME_SOURCE: Struct = Struct(&[
    kept("targetPortal", Kind::Text),
    kept("iqn", Kind::Text),
    kept("lun", Kind::Int32),
    omitted("iscsiInterface", Kind::Text),
    omitted("fsType", Kind::Text),
    omitted("readOnly", Kind::Bool),
    omitted("portals", Kind::List(&Kind::Text)),
    omitted("chapAuthDiscovery", Kind::Bool),
    omitted("chapAuthSession", Kind::Bool),
    omitted("secretRef", Kind::Pointer(&Kind::Struct(&LOCAL_OBJECT_REFERENCE))),
    omitted("initiatorName", Kind::Pointer(&Kind::Text)),
]);
const GLUSTERFS_VOLUME_SOURCE: Struct = Struct(&[
    kept("endpoints", Kind::Text),
    kept("path", Kind::Text),
    omitted("readOnly", Kind::Bool),
]);
const PERSISTENT_VOLUME_CLAIM_VOLUME_SOURCE: Struct = Struct(&[
    kept("claimName", Kind::Text),
    omitted("readOnly", Kind::Bool),
]);
const RBD_VOLUME_SOURCE: Struct = Struct(&[
    kept("monitors", Kind::List(&Kind::Text)),
    kept("image", Kind::Text),
    omitted("fsType", Kind::Text),
    omitted("pool", Kind::Text),
    omitted("user", Kind::Text),
    omitted("keyring", Kind::Text),
    omitted("secretRef", Kind::Pointer(&Kind::Struct(&LOCAL_OBJECT_REFERENCE))),
    omitted("readOnly", Kind::Bool),
]);
const FLEX_VOLUME_SOURCE: Struct = Struct(&[
    kept("driver", Kind::Text),
    omitted("fsType", Kind::Text),
    omitted("secretRef", Kind::Pointer(&Kind::Struct(&LOCAL_OBJECT_REFERENCE))),
    omitted("readOnly", Kind::Bool),
    omitted("options", Kind::Map(&Kind::Text)),
]);
const CINDER_VOLUME_SOURCE: Struct = Struct(&[
    kept("volumeID", Kind::Text),
    omitted("fsType", Kind::Text),
    omitted("readOnly", Kind::Bool),
    omitted("secretRef", Kind::Pointer(&Kind::Struct(&LOCAL_OBJECT_REFERENCE))),
]);
const CEPH_FS_VOLUME_SOURCE: Struct = Struct(&[
    kept("monitors", Kind::List(&Kind::Text)),
    omitted("path", Kind::Text),
    omitted("user", Kind::Text),
    omitted("secretFile", Kind::Text),
    omitted("secretRef", Kind::Pointer(&Kind::Struct(&LOCAL_OBJECT_REFERENCE))),
    omitted("readOnly", Kind::Bool),
]);
const FLOCKER_VOLUME_SOURCE: Struct = Struct(&[
    omitted("datasetName", Kind::Text),
    omitted("datasetUUID", Kind::Text),
]);
const OBJECT_FIELD_SELECTOR: Struct = Struct(&[
    omitted("apiVersion", Kind::Text),
    kept("fieldPath", Kind::Text),
]);
const RESOURCE_FIELD_SELECTOR: Struct = Struct(&[
    omitted("containerName", Kind::Text),
    kept("resource", Kind::Text),
    kept("divisor", Kind::Quantity),
]);
const DOWNWARD_API_VOLUME_FILE: Struct = Struct(&[
    kept("path", Kind::Text),
    omitted("fieldRef", Kind::Pointer(&Kind::Struct(&OBJECT_FIELD_SELECTOR))),
    omitted("resourceFieldRef", Kind::Pointer(&Kind::Struct(&RESOURCE_FIELD_SELECTOR))),
    omitted("mode", Kind::Pointer(&Kind::Int32)),
]);
const DOWNWARD_API_VOLUME_SOURCE: Struct = Struct(&[
    omitted("items", Kind::List(&Kind::Struct(&DOWNWARD_API_VOLUME_FILE))),
    omitted("defaultMode", Kind::Pointer(&Kind::Int32)),
]);
const FC_VOLUME_SOURCE: Struct = Struct(&[
    omitted("targetWWNs", Kind::List(&Kind::Text)),
    omitted("lun", Kind::Pointer(&Kind::Int32)),
    omitted("fsType", Kind::Text),
    omitted("readOnly", Kind::Bool),
    omitted("wwids", Kind::List(&Kind::Text)),
]);
const AZURE_FILE_VOLUME_SOURCE: Struct = Struct(&[
    kept("secretName", Kind::Text),
    kept("shareName", Kind::Text),
    omitted("readOnly", Kind::Bool),
]);
const CONFIG_MAP_VOLUME_SOURCE: Struct = Struct(&[
    omitted("name", Kind::Text),
    omitted("items", Kind::List(&Kind::Struct(&KEY_TO_PATH))),
    omitted("defaultMode", Kind::Pointer(&Kind::Int32)),
    omitted("optional", Kind::Pointer(&Kind::Bool)),
]);
const VSPHERE_VIRTUAL_DISK_VOLUME_SOURCE: Struct = Struct(&[
    kept("volumePath", Kind::Text),
    omitted("fsType", Kind::Text),
    omitted("storagePolicyName", Kind::Text),
    omitted("storagePolicyID", Kind::Text),
]);
const QUOBYTE_VOLUME_SOURCE: Struct = Struct(&[
    kept("registry", Kind::Text),
    kept("volume", Kind::Text),
    omitted("readOnly", Kind::Bool),
    omitted("user", Kind::Text),
    omitted("group", Kind::Text),
    omitted("tenant", Kind::Text),
]);
const AZURE_DISK_VOLUME_SOURCE: Struct = Struct(&[
    kept("diskName", Kind::Text),
    kept("diskURI", Kind::Text),
    omitted("cachingMode", Kind::Pointer(&Kind::Text)),
    omitted("fsType", Kind::Pointer(&Kind::Text)),
    omitted("readOnly", Kind::Pointer(&Kind::Bool)),
    omitted("kind", Kind::Pointer(&Kind::Text)),
]);
const PHOTON_PERSISTENT_DISK_VOLUME_SOURCE: Struct = Struct(&[
    kept("pdID", Kind::Text),
    omitted("fsType", Kind::Text),
]);
const SECRET_PROJECTION: Struct = Struct(&[
    omitted("name", Kind::Text),
    omitted("items", Kind::List(&Kind::Struct(&KEY_TO_PATH))),
    omitted("optional", Kind::Pointer(&Kind::Bool)),
]);
const DOWNWARD_API_PROJECTION: Struct = Struct(&[
    omitted("items", Kind::List(&Kind::Struct(&DOWNWARD_API_VOLUME_FILE))),
]);
const CONFIG_MAP_PROJECTION: Struct = Struct(&[
    omitted("name", Kind::Text),
    omitted("items", Kind::List(&Kind::Struct(&KEY_TO_PATH))),
    omitted("optional", Kind::Pointer(&Kind::Bool)),
]);
const SERVICE_ACCOUNT_TOKEN_PROJECTION: Struct = Struct(&[
    omitted("audience", Kind::Text),
    omitted("expirationSeconds", Kind::Pointer(&Kind::Int64)),
    kept("path", Kind::Text),
]);
const LABEL_SELECTOR_REQUIREMENT: Struct = Struct(&[
    kept("key", Kind::Text),
    kept("operator", Kind::Text),
    omitted("values", Kind::List(&Kind::Text)),
]);
const LABEL_SELECTOR: Struct = Struct(&[
    omitted("matchLabels", Kind::Map(&Kind::Text)),
    omitted("matchExpressions", Kind::List(&Kind::Struct(&LABEL_SELECTOR_REQUIREMENT))),
]);
const CLUSTER_TRUST_BUNDLE_PROJECTION: Struct = Struct(&[
    omitted("name", Kind::Pointer(&Kind::Text)),
    omitted("signerName", Kind::Pointer(&Kind::Text)),
    omitted("labelSelector", Kind::Pointer(&Kind::Struct(&LABEL_SELECTOR))),
    omitted("optional", Kind::Pointer(&Kind::Bool)),
    kept("path", Kind::Text),
]);
const POD_CERTIFICATE_PROJECTION: Struct = Struct(&[
    omitted("signerName", Kind::Text),
    omitted("keyType", Kind::Text),
    omitted("maxExpirationSeconds", Kind::Pointer(&Kind::Int32)),
    omitted("credentialBundlePath", Kind::Text),
    omitted("keyPath", Kind::Text),
    omitted("certificateChainPath", Kind::Text),
]);
const VOLUME_PROJECTION: Struct = Struct(&[
    omitted("secret", Kind::Pointer(&Kind::Struct(&SECRET_PROJECTION))),
    omitted("downwardAPI", Kind::Pointer(&Kind::Struct(&DOWNWARD_API_PROJECTION))),
    omitted("configMap", Kind::Pointer(&Kind::Struct(&CONFIG_MAP_PROJECTION))),
    omitted("serviceAccountToken", Kind::Pointer(&Kind::Struct(&SERVICE_ACCOUNT_TOKEN_PROJECTION))),
    omitted("clusterTrustBundle", Kind::Pointer(&Kind::Struct(&CLUSTER_TRUST_BUNDLE_PROJECTION))),
    omitted("podCertificate", Kind::Pointer(&Kind::Struct(&POD_CERTIFICATE_PROJECTION))),
]);
const PROJECTED_VOLUME_SOURCE: Struct = Struct(&[
    kept("sources", Kind::List(&Kind::Struct(&VOLUME_PROJECTION))),
    omitted("defaultMode", Kind::Pointer(&Kind::Int32)),
]);
const PORTWORX_VOLUME_SOURCE: Struct = Struct(&[
    kept("volumeID", Kind::Text),
    omitted("fsType", Kind::Text),
    omitted("readOnly", Kind::Bool),
]);
const SCALE_IO_VOLUME_SOURCE: Struct = Struct(&[
    kept("gateway", Kind::Text),
    kept("system", Kind::Text),
    kept("secretRef", Kind::Pointer(&Kind::Struct(&LOCAL_OBJECT_REFERENCE))),
    omitted("sslEnabled", Kind::Bool),
    omitted("protectionDomain", Kind::Text),
    omitted("storagePool", Kind::Text),
    omitted("storageMode", Kind::Text),
    omitted("volumeName", Kind::Text),
    omitted("fsType", Kind::Text),
    omitted("readOnly", Kind::Bool),
]);
const STORAGE_OS_VOLUME_SOURCE: Struct = Struct(&[
    omitted("volumeName", Kind::Text),
    omitted("volumeNamespace", Kind::Text),
    omitted("fsType", Kind::Text),
    omitted("readOnly", Kind::Bool),
    omitted("secretRef", Kind::Pointer(&Kind::Struct(&LOCAL_OBJECT_REFERENCE))),
]);
const CSI_VOLUME_SOURCE: Struct = Struct(&[
    kept("driver", Kind::Text),
    omitted("readOnly", Kind::Pointer(&Kind::Bool)),
    omitted("fsType", Kind::Pointer(&Kind::Text)),
    omitted("volumeAttributes", Kind::Map(&Kind::Text)),
    omitted("nodePublishSecretRef", Kind::Pointer(&Kind::Struct(&LOCAL_OBJECT_REFERENCE))),
]);
const VOLUME_RESOURCE_REQUIREMENTS: Struct = Struct(&[
    omitted("limits", Kind::Map(&Kind::Quantity)),
    omitted("requests", Kind::Map(&Kind::Quantity)),
]);
const TYPED_LOCAL_OBJECT_REFERENCE: Struct = Struct(&[
    kept("apiGroup", Kind::Pointer(&Kind::Text)),
    kept("kind", Kind::Text),
    kept("name", Kind::Text),
]);
const TYPED_OBJECT_REFERENCE: Struct = Struct(&[
    kept("apiGroup", Kind::Pointer(&Kind::Text)),
    kept("kind", Kind::Text),
    kept("name", Kind::Text),
    omitted("namespace", Kind::Pointer(&Kind::Text)),
]);
const PERSISTENT_VOLUME_CLAIM_SPEC: Struct = Struct(&[
    omitted("accessModes", Kind::List(&Kind::Text)),
    omitted("selector", Kind::Pointer(&Kind::Struct(&LABEL_SELECTOR))),
    kept("resources", Kind::Struct(&VOLUME_RESOURCE_REQUIREMENTS)),
    omitted("volumeName", Kind::Text),
    omitted("storageClassName", Kind::Pointer(&Kind::Text)),
    omitted("volumeMode", Kind::Pointer(&Kind::Text)),
    omitted("dataSource", Kind::Pointer(&Kind::Struct(&TYPED_LOCAL_OBJECT_REFERENCE))),
    omitted("dataSourceRef", Kind::Pointer(&Kind::Struct(&TYPED_OBJECT_REFERENCE))),
    omitted("volumeAttributesClassName", Kind::Pointer(&Kind::Text)),
]);
const PERSISTENT_VOLUME_CLAIM_TEMPLATE: Struct = Struct(&[
    kept("metadata", Kind::Struct(&OBJECT_META)),
    kept("spec", Kind::Struct(&PERSISTENT_VOLUME_CLAIM_SPEC)),
]);
const EPHEMERAL_VOLUME_SOURCE: Struct = Struct(&[
    omitted("volumeClaimTemplate", Kind::Pointer(&Kind::Struct(&PERSISTENT_VOLUME_CLAIM_TEMPLATE))),
]);
const IMAGE_VOLUME_SOURCE: Struct = Struct(&[
    omitted("reference", Kind::Text),
    omitted("pullPolicy", Kind::Text),
]);
const VOLUME: Struct = Struct(&[
    kept("name", Kind::Text),
    omitted("hostPath", Kind::Pointer(&Kind::Struct(&HOST_PATH_VOLUME_SOURCE))),
    omitted("emptyDir", Kind::Pointer(&Kind::Struct(&EMPTY_DIR_VOLUME_SOURCE))),
    omitted("gcePersistentDisk", Kind::Pointer(&Kind::Struct(&GCE_PERSISTENT_DISK_VOLUME_SOURCE))),
    omitted("awsElasticBlockStore", Kind::Pointer(&Kind::Struct(&AWS_ELASTIC_BLOCK_STORE_VOLUME_SOURCE))),
    omitted("gitRepo", Kind::Pointer(&Kind::Struct(&GIT_REPO_VOLUME_SOURCE))),
    omitted("secret", Kind::Pointer(&Kind::Struct(&SECRET_VOLUME_SOURCE))),
    omitted("nfs", Kind::Pointer(&Kind::Struct(&NFS_VOLUME_SOURCE))),
    omitted("iscsi", Kind::Pointer(&Kind::Struct(&ISCSI_VOLUME_SOURCE))),
    omitted("glusterfs", Kind::Pointer(&Kind::Struct(&GLUSTERFS_VOLUME_SOURCE))),
    omitted("persistentVolumeClaim", Kind::Pointer(&Kind::Struct(&PERSISTENT_VOLUME_CLAIM_VOLUME_SOURCE))),
    omitted("rbd", Kind::Pointer(&Kind::Struct(&RBD_VOLUME_SOURCE))),
    omitted("flexVolume", Kind::Pointer(&Kind::Struct(&FLEX_VOLUME_SOURCE))),
    omitted("cinder", Kind::Pointer(&Kind::Struct(&CINDER_VOLUME_SOURCE))),
    omitted("cephfs", Kind::Pointer(&Kind::Struct(&CEPH_FS_VOLUME_SOURCE))),
    omitted("flocker", Kind::Pointer(&Kind::Struct(&FLOCKER_VOLUME_SOURCE))),
    omitted("downwardAPI", Kind::Pointer(&Kind::Struct(&DOWNWARD_API_VOLUME_SOURCE))),
    omitted("fc", Kind::Pointer(&Kind::Struct(&FC_VOLUME_SOURCE))),
    omitted("azureFile", Kind::Pointer(&Kind::Struct(&AZURE_FILE_VOLUME_SOURCE))),
    omitted("configMap", Kind::Pointer(&Kind::Struct(&CONFIG_MAP_VOLUME_SOURCE))),
    omitted("vsphereVolume", Kind::Pointer(&Kind::Struct(&VSPHERE_VIRTUAL_DISK_VOLUME_SOURCE))),
    omitted("quobyte", Kind::Pointer(&Kind::Struct(&QUOBYTE_VOLUME_SOURCE))),
    omitted("azureDisk", Kind::Pointer(&Kind::Struct(&AZURE_DISK_VOLUME_SOURCE))),
    omitted("photonPersistentDisk", Kind::Pointer(&Kind::Struct(&PHOTON_PERSISTENT_DISK_VOLUME_SOURCE))),
    omitted("projected", Kind::Pointer(&Kind::Struct(&PROJECTED_VOLUME_SOURCE))),
    omitted("portworxVolume", Kind::Pointer(&Kind::Struct(&PORTWORX_VOLUME_SOURCE))),
    omitted("scaleIO", Kind::Pointer(&Kind::Struct(&SCALE_IO_VOLUME_SOURCE))),
    omitted("storageos", Kind::Pointer(&Kind::Struct(&STORAGE_OS_VOLUME_SOURCE))),
    omitted("csi", Kind::Pointer(&Kind::Struct(&CSI_VOLUME_SOURCE))),
    omitted("ephemeral", Kind::Pointer(&Kind::Struct(&EPHEMERAL_VOLUME_SOURCE))),
    omitted("image", Kind::Pointer(&Kind::Struct(&IMAGE_VOLUME_SOURCE))),
]);
const CONTAINER_PORT: Struct = Struct(&[
    omitted("name", Kind::Text),
    omitted("hostPort", Kind::Int32),
    kept("containerPort", Kind::Int32),
    omitted("protocol", Kind::Text),
    omitted("hostIP", Kind::Text),
]);
const CONFIG_MAP_ENV_SOURCE: Struct = Struct(&[
    omitted("name", Kind::Text),
    omitted("optional", Kind::Pointer(&Kind::Bool)),
]);
const SECRET_ENV_SOURCE: Struct = Struct(&[
    omitted("name", Kind::Text),
    omitted("optional", Kind::Pointer(&Kind::Bool)),
]);
const ENV_FROM_SOURCE: Struct = Struct(&[
    omitted("prefix", Kind::Text),
    omitted("configMapRef", Kind::Pointer(&Kind::Struct(&CONFIG_MAP_ENV_SOURCE))),
    omitted("secretRef", Kind::Pointer(&Kind::Struct(&SECRET_ENV_SOURCE))),
]);
const CONFIG_MAP_KEY_SELECTOR: Struct = Struct(&[
    omitted("name", Kind::Text),
    kept("key", Kind::Text),
    omitted("optional", Kind::Pointer(&Kind::Bool)),
]);
const SECRET_KEY_SELECTOR: Struct = Struct(&[
    omitted("name", Kind::Text),
    kept("key", Kind::Text),
    omitted("optional", Kind::Pointer(&Kind::Bool)),
]);
const FILE_KEY_SELECTOR: Struct = Struct(&[
    kept("volumeName", Kind::Text),
    kept("path", Kind::Text),
    kept("key", Kind::Text),
    omitted("optional", Kind::Pointer(&Kind::Bool)),
]);
const ENV_VAR_SOURCE: Struct = Struct(&[
    omitted("fieldRef", Kind::Pointer(&Kind::Struct(&OBJECT_FIELD_SELECTOR))),
    omitted("resourceFieldRef", Kind::Pointer(&Kind::Struct(&RESOURCE_FIELD_SELECTOR))),
    omitted("configMapKeyRef", Kind::Pointer(&Kind::Struct(&CONFIG_MAP_KEY_SELECTOR))),
    omitted("secretKeyRef", Kind::Pointer(&Kind::Struct(&SECRET_KEY_SELECTOR))),
    omitted("fileKeyRef", Kind::Pointer(&Kind::Struct(&FILE_KEY_SELECTOR))),
]);
const ENV_VAR: Struct = Struct(&[
    kept("name", Kind::Text),
    omitted("value", Kind::Text),
    omitted("valueFrom", Kind::Pointer(&Kind::Struct(&ENV_VAR_SOURCE))),
]);
const RESOURCE_CLAIM: Struct = Struct(&[
    kept("name", Kind::Text),
    omitted("request", Kind::Text),
]);
const RESOURCE_REQUIREMENTS: Struct = Struct(&[
    omitted("limits", Kind::Map(&Kind::Quantity)),
    omitted("requests", Kind::Map(&Kind::Quantity)),
    omitted("claims", Kind::List(&Kind::Struct(&RESOURCE_CLAIM))),
]);
const CONTAINER_RESIZE_POLICY: Struct = Struct(&[
    kept("resourceName", Kind::Text),
    kept("restartPolicy", Kind::Text),
]);
const CONTAINER_RESTART_RULE_ON_EXIT_CODES: Struct = Struct(&[
    omitted("operator", Kind::Text),
    omitted("values", Kind::List(&Kind::Int32)),
]);
const CONTAINER_RESTART_RULE: Struct = Struct(&[
    omitted("action", Kind::Text),
    omitted("exitCodes", Kind::Pointer(&Kind::Struct(&CONTAINER_RESTART_RULE_ON_EXIT_CODES))),
]);
const VOLUME_MOUNT: Struct = Struct(&[
    kept("name", Kind::Text),
    omitted("readOnly", Kind::Bool),
    omitted("recursiveReadOnly", Kind::Pointer(&Kind::Text)),
    kept("mountPath", Kind::Text),
    omitted("subPath", Kind::Text),
    omitted("mountPropagation", Kind::Pointer(&Kind::Text)),
    omitted("subPathExpr", Kind::Text),
]);
const VOLUME_DEVICE: Struct = Struct(&[
    kept("name", Kind::Text),
    kept("devicePath", Kind::Text),
]);
const EXEC_ACTION: Struct = Struct(&[
    omitted("command", Kind::List(&Kind::Text)),
]);
const HTTP_HEADER: Struct = Struct(&[
    kept("name", Kind::Text),
    kept("value", Kind::Text),
]);
const HTTP_GET_ACTION: Struct = Struct(&[
    omitted("path", Kind::Text),
    kept("port", Kind::IntOrText),
    omitted("host", Kind::Text),
    omitted("scheme", Kind::Text),
    omitted("httpHeaders", Kind::List(&Kind::Struct(&HTTP_HEADER))),
]);
const TCP_SOCKET_ACTION: Struct = Struct(&[
    kept("port", Kind::IntOrText),
    omitted("host", Kind::Text),
]);
const GRPC_ACTION: Struct = Struct(&[
    kept("port", Kind::Int32),
    kept("service", Kind::Pointer(&Kind::Text)),
]);
const PROBE: Struct = Struct(&[
    omitted("exec", Kind::Pointer(&Kind::Struct(&EXEC_ACTION))),
    omitted("httpGet", Kind::Pointer(&Kind::Struct(&HTTP_GET_ACTION))),
    omitted("tcpSocket", Kind::Pointer(&Kind::Struct(&TCP_SOCKET_ACTION))),
    omitted("grpc", Kind::Pointer(&Kind::Struct(&GRPC_ACTION))),
    omitted("initialDelaySeconds", Kind::Int32),
    omitted("timeoutSeconds", Kind::Int32),
    omitted("periodSeconds", Kind::Int32),
    omitted("successThreshold", Kind::Int32),
    omitted("failureThreshold", Kind::Int32),
    omitted("terminationGracePeriodSeconds", Kind::Pointer(&Kind::Int64)),
]);
const SLEEP_ACTION: Struct = Struct(&[
    kept("seconds", Kind::Int64),
]);
const LIFECYCLE_HANDLER: Struct = Struct(&[
    omitted("exec", Kind::Pointer(&Kind::Struct(&EXEC_ACTION))),
    omitted("httpGet", Kind::Pointer(&Kind::Struct(&HTTP_GET_ACTION))),
    omitted("tcpSocket", Kind::Pointer(&Kind::Struct(&TCP_SOCKET_ACTION))),
    omitted("sleep", Kind::Pointer(&Kind::Struct(&SLEEP_ACTION))),
]);
const LIFECYCLE: Struct = Struct(&[
    omitted("postStart", Kind::Pointer(&Kind::Struct(&LIFECYCLE_HANDLER))),
    omitted("preStop", Kind::Pointer(&Kind::Struct(&LIFECYCLE_HANDLER))),
    omitted("stopSignal", Kind::Pointer(&Kind::Text)),
]);
const CAPABILITIES: Struct = Struct(&[
    omitted("add", Kind::List(&Kind::Text)),
    omitted("drop", Kind::List(&Kind::Text)),
]);
const SE_LINUX_OPTIONS: Struct = Struct(&[
    omitted("user", Kind::Text),
    omitted("role", Kind::Text),
    omitted("type", Kind::Text),
    omitted("level", Kind::Text),
]);
const WINDOWS_SECURITY_CONTEXT_OPTIONS: Struct = Struct(&[
    omitted("gmsaCredentialSpecName", Kind::Pointer(&Kind::Text)),
    omitted("gmsaCredentialSpec", Kind::Pointer(&Kind::Text)),
    omitted("runAsUserName", Kind::Pointer(&Kind::Text)),
    omitted("hostProcess", Kind::Pointer(&Kind::Bool)),
]);
const SECCOMP_PROFILE: Struct = Struct(&[
    kept("type", Kind::Text),
    omitted("localhostProfile", Kind::Pointer(&Kind::Text)),
]);
const APP_ARMOR_PROFILE: Struct = Struct(&[
    kept("type", Kind::Text),
    omitted("localhostProfile", Kind::Pointer(&Kind::Text)),
]);
const SECURITY_CONTEXT: Struct = Struct(&[
    omitted("capabilities", Kind::Pointer(&Kind::Struct(&CAPABILITIES))),
    omitted("privileged", Kind::Pointer(&Kind::Bool)),
    omitted("seLinuxOptions", Kind::Pointer(&Kind::Struct(&SE_LINUX_OPTIONS))),
    omitted("windowsOptions", Kind::Pointer(&Kind::Struct(&WINDOWS_SECURITY_CONTEXT_OPTIONS))),
    omitted("runAsUser", Kind::Pointer(&Kind::Int64)),
    omitted("runAsGroup", Kind::Pointer(&Kind::Int64)),
    omitted("runAsNonRoot", Kind::Pointer(&Kind::Bool)),
    omitted("readOnlyRootFilesystem", Kind::Pointer(&Kind::Bool)),
    omitted("allowPrivilegeEscalation", Kind::Pointer(&Kind::Bool)),
    omitted("procMount", Kind::Pointer(&Kind::Text)),
    omitted("seccompProfile", Kind::Pointer(&Kind::Struct(&SECCOMP_PROFILE))),
    omitted("appArmorProfile", Kind::Pointer(&Kind::Struct(&APP_ARMOR_PROFILE))),
]);
const CONTAINER: Struct = Struct(&[
    kept("name", Kind::Text),
    omitted("image", Kind::Text),
    omitted("command", Kind::List(&Kind::Text)),
    omitted("args", Kind::List(&Kind::Text)),
    omitted("workingDir", Kind::Text),
    omitted("ports", Kind::List(&Kind::Struct(&CONTAINER_PORT))),
    omitted("envFrom", Kind::List(&Kind::Struct(&ENV_FROM_SOURCE))),
    omitted("env", Kind::List(&Kind::Struct(&ENV_VAR))),
    kept("resources", Kind::Struct(&RESOURCE_REQUIREMENTS)),
    omitted("resizePolicy", Kind::List(&Kind::Struct(&CONTAINER_RESIZE_POLICY))),
    omitted("restartPolicy", Kind::Pointer(&Kind::Text)),
    omitted("restartPolicyRules", Kind::List(&Kind::Struct(&CONTAINER_RESTART_RULE))),
    omitted("volumeMounts", Kind::List(&Kind::Struct(&VOLUME_MOUNT))),
    omitted("volumeDevices", Kind::List(&Kind::Struct(&VOLUME_DEVICE))),
    omitted("livenessProbe", Kind::Pointer(&Kind::Struct(&PROBE))),
    omitted("readinessProbe", Kind::Pointer(&Kind::Struct(&PROBE))),
    omitted("startupProbe", Kind::Pointer(&Kind::Struct(&PROBE))),
    omitted("lifecycle", Kind::Pointer(&Kind::Struct(&LIFECYCLE))),
    omitted("terminationMessagePath", Kind::Text),
    omitted("terminationMessagePolicy", Kind::Text),
    omitted("imagePullPolicy", Kind::Text),
    omitted("securityContext", Kind::Pointer(&Kind::Struct(&SECURITY_CONTEXT))),
    omitted("stdin", Kind::Bool),
    omitted("stdinOnce", Kind::Bool),
    omitted("tty", Kind::Bool),
]);
const EPHEMERAL_CONTAINER: Struct = Struct(&[
    kept("name", Kind::Text),
    omitted("image", Kind::Text),
    omitted("command", Kind::List(&Kind::Text)),
    omitted("args", Kind::List(&Kind::Text)),
    omitted("workingDir", Kind::Text),
    omitted("ports", Kind::List(&Kind::Struct(&CONTAINER_PORT))),
    omitted("envFrom", Kind::List(&Kind::Struct(&ENV_FROM_SOURCE))),
    omitted("env", Kind::List(&Kind::Struct(&ENV_VAR))),
    kept("resources", Kind::Struct(&RESOURCE_REQUIREMENTS)),
    omitted("resizePolicy", Kind::List(&Kind::Struct(&CONTAINER_RESIZE_POLICY))),
    omitted("restartPolicy", Kind::Pointer(&Kind::Text)),
    omitted("restartPolicyRules", Kind::List(&Kind::Struct(&CONTAINER_RESTART_RULE))),
    omitted("volumeMounts", Kind::List(&Kind::Struct(&VOLUME_MOUNT))),
    omitted("volumeDevices", Kind::List(&Kind::Struct(&VOLUME_DEVICE))),
    omitted("livenessProbe", Kind::Pointer(&Kind::Struct(&PROBE))),
    omitted("readinessProbe", Kind::Pointer(&Kind::Struct(&PROBE))),
    omitted("startupProbe", Kind::Pointer(&Kind::Struct(&PROBE))),
    omitted("lifecycle", Kind::Pointer(&Kind::Struct(&LIFECYCLE))),
    omitted("terminationMessagePath", Kind::Text),
    omitted("terminationMessagePolicy", Kind::Text),
    omitted("imagePullPolicy", Kind::Text),
    omitted("securityContext", Kind::Pointer(&Kind::Struct(&SECURITY_CONTEXT))),
    omitted("stdin", Kind::Bool),
    omitted("stdinOnce", Kind::Bool),
    omitted("tty", Kind::Bool),
    omitted("targetContainerName", Kind::Text),
]);
const SYSCTL: Struct = Struct(&[
    kept("name", Kind::Text),
    kept("value", Kind::Text),
]);
const POD_SECURITY_CONTEXT: Struct = Struct(&[
    omitted("seLinuxOptions", Kind::Pointer(&Kind::Struct(&SE_LINUX_OPTIONS))),
    omitted("windowsOptions", Kind::Pointer(&Kind::Struct(&WINDOWS_SECURITY_CONTEXT_OPTIONS))),
    omitted("runAsUser", Kind::Pointer(&Kind::Int64)),
    omitted("runAsGroup", Kind::Pointer(&Kind::Int64)),
    omitted("runAsNonRoot", Kind::Pointer(&Kind::Bool)),
    omitted("supplementalGroups", Kind::List(&Kind::Int64)),
    omitted("supplementalGroupsPolicy", Kind::Pointer(&Kind::Text)),
    omitted("fsGroup", Kind::Pointer(&Kind::Int64)),
    omitted("sysctls", Kind::List(&Kind::Struct(&SYSCTL))),
    omitted("fsGroupChangePolicy", Kind::Pointer(&Kind::Text)),
    omitted("seccompProfile", Kind::Pointer(&Kind::Struct(&SECCOMP_PROFILE))),
    omitted("appArmorProfile", Kind::Pointer(&Kind::Struct(&APP_ARMOR_PROFILE))),
    omitted("seLinuxChangePolicy", Kind::Pointer(&Kind::Text)),
]);
const NODE_SELECTOR_REQUIREMENT: Struct = Struct(&[
    kept("key", Kind::Text),
    kept("operator", Kind::Text),
    omitted("values", Kind::List(&Kind::Text)),
]);
const NODE_SELECTOR_TERM: Struct = Struct(&[
    omitted("matchExpressions", Kind::List(&Kind::Struct(&NODE_SELECTOR_REQUIREMENT))),
    omitted("matchFields", Kind::List(&Kind::Struct(&NODE_SELECTOR_REQUIREMENT))),
]);
const NODE_SELECTOR: Struct = Struct(&[
    kept("nodeSelectorTerms", Kind::List(&Kind::Struct(&NODE_SELECTOR_TERM))),
]);
const PREFERRED_SCHEDULING_TERM: Struct = Struct(&[
    kept("weight", Kind::Int32),
    kept("preference", Kind::Struct(&NODE_SELECTOR_TERM)),
]);
const NODE_AFFINITY: Struct = Struct(&[
    omitted("requiredDuringSchedulingIgnoredDuringExecution", Kind::Pointer(&Kind::Struct(&NODE_SELECTOR))),
    omitted("preferredDuringSchedulingIgnoredDuringExecution", Kind::List(&Kind::Struct(&PREFERRED_SCHEDULING_TERM))),
]);
const POD_AFFINITY_TERM: Struct = Struct(&[
    omitted("labelSelector", Kind::Pointer(&Kind::Struct(&LABEL_SELECTOR))),
    omitted("namespaces", Kind::List(&Kind::Text)),
    kept("topologyKey", Kind::Text),
    omitted("namespaceSelector", Kind::Pointer(&Kind::Struct(&LABEL_SELECTOR))),
    omitted("matchLabelKeys", Kind::List(&Kind::Text)),
    omitted("mismatchLabelKeys", Kind::List(&Kind::Text)),
]);
const WEIGHTED_POD_AFFINITY_TERM: Struct = Struct(&[
    kept("weight", Kind::Int32),
    kept("podAffinityTerm", Kind::Struct(&POD_AFFINITY_TERM)),
]);
const POD_AFFINITY: Struct = Struct(&[
    omitted("requiredDuringSchedulingIgnoredDuringExecution", Kind::List(&Kind::Struct(&POD_AFFINITY_TERM))),
    omitted("preferredDuringSchedulingIgnoredDuringExecution", Kind::List(&Kind::Struct(&WEIGHTED_POD_AFFINITY_TERM))),
]);
const POD_ANTI_AFFINITY: Struct = Struct(&[
    omitted("requiredDuringSchedulingIgnoredDuringExecution", Kind::List(&Kind::Struct(&POD_AFFINITY_TERM))),
    omitted("preferredDuringSchedulingIgnoredDuringExecution", Kind::List(&Kind::Struct(&WEIGHTED_POD_AFFINITY_TERM))),
]);
const AFFINITY: Struct = Struct(&[
    omitted("nodeAffinity", Kind::Pointer(&Kind::Struct(&NODE_AFFINITY))),
    omitted("podAffinity", Kind::Pointer(&Kind::Struct(&POD_AFFINITY))),
    omitted("podAntiAffinity", Kind::Pointer(&Kind::Struct(&POD_ANTI_AFFINITY))),
]);
const TOLERATION: Struct = Struct(&[
    omitted("key", Kind::Text),
    omitted("operator", Kind::Text),
    omitted("value", Kind::Text),
    omitted("effect", Kind::Text),
    omitted("tolerationSeconds", Kind::Pointer(&Kind::Int64)),
]);
const HOST_ALIAS: Struct = Struct(&[
    kept("ip", Kind::Text),
    omitted("hostnames", Kind::List(&Kind::Text)),
]);
const POD_DNS_CONFIG_OPTION: Struct = Struct(&[
    omitted("name", Kind::Text),
    omitted("value", Kind::Pointer(&Kind::Text)),
]);
const POD_DNS_CONFIG: Struct = Struct(&[
    omitted("nameservers", Kind::List(&Kind::Text)),
    omitted("searches", Kind::List(&Kind::Text)),
    omitted("options", Kind::List(&Kind::Struct(&POD_DNS_CONFIG_OPTION))),
]);
const POD_READINESS_GATE: Struct = Struct(&[
    kept("conditionType", Kind::Text),
]);
const TOPOLOGY_SPREAD_CONSTRAINT: Struct = Struct(&[
    kept("maxSkew", Kind::Int32),
    kept("topologyKey", Kind::Text),
    kept("whenUnsatisfiable", Kind::Text),
    omitted("labelSelector", Kind::Pointer(&Kind::Struct(&LABEL_SELECTOR))),
    omitted("minDomains", Kind::Pointer(&Kind::Int32)),
    omitted("nodeAffinityPolicy", Kind::Pointer(&Kind::Text)),
    omitted("nodeTaintsPolicy", Kind::Pointer(&Kind::Text)),
    omitted("matchLabelKeys", Kind::List(&Kind::Text)),
]);
const POD_OS: Struct = Struct(&[
    kept("name", Kind::Text),
]);
const POD_SCHEDULING_GATE: Struct = Struct(&[
    kept("name", Kind::Text),
]);
const POD_RESOURCE_CLAIM: Struct = Struct(&[
    kept("name", Kind::Text),
    omitted("resourceClaimName", Kind::Pointer(&Kind::Text)),
    omitted("resourceClaimTemplateName", Kind::Pointer(&Kind::Text)),
]);
const POD_SPEC: Struct = Struct(&[
    omitted("volumes", Kind::List(&Kind::Struct(&VOLUME))),
    omitted("initContainers", Kind::List(&Kind::Struct(&CONTAINER))),
    kept("containers", Kind::List(&Kind::Struct(&CONTAINER))),
    omitted("ephemeralContainers", Kind::List(&Kind::Struct(&EPHEMERAL_CONTAINER))),
    omitted("restartPolicy", Kind::Text),
    omitted("terminationGracePeriodSeconds", Kind::Pointer(&Kind::Int64)),
    omitted("activeDeadlineSeconds", Kind::Pointer(&Kind::Int64)),
    omitted("dnsPolicy", Kind::Text),
    omitted("nodeSelector", Kind::Map(&Kind::Text)),
    omitted("serviceAccountName", Kind::Text),
    omitted("serviceAccount", Kind::Text),
    omitted("automountServiceAccountToken", Kind::Pointer(&Kind::Bool)),
    omitted("nodeName", Kind::Text),
    omitted("hostNetwork", Kind::Bool),
    omitted("hostPID", Kind::Bool),
    omitted("hostIPC", Kind::Bool),
    omitted("shareProcessNamespace", Kind::Pointer(&Kind::Bool)),
    omitted("securityContext", Kind::Pointer(&Kind::Struct(&POD_SECURITY_CONTEXT))),
    omitted("imagePullSecrets", Kind::List(&Kind::Struct(&LOCAL_OBJECT_REFERENCE))),
    omitted("hostname", Kind::Text),
    omitted("subdomain", Kind::Text),
    omitted("affinity", Kind::Pointer(&Kind::Struct(&AFFINITY))),
    omitted("schedulerName", Kind::Text),
    omitted("tolerations", Kind::List(&Kind::Struct(&TOLERATION))),
    omitted("hostAliases", Kind::List(&Kind::Struct(&HOST_ALIAS))),
    omitted("priorityClassName", Kind::Text),
    omitted("priority", Kind::Pointer(&Kind::Int32)),
    omitted("dnsConfig", Kind::Pointer(&Kind::Struct(&POD_DNS_CONFIG))),
    omitted("readinessGates", Kind::List(&Kind::Struct(&POD_READINESS_GATE))),
    omitted("runtimeClassName", Kind::Pointer(&Kind::Text)),
    omitted("enableServiceLinks", Kind::Pointer(&Kind::Bool)),
    omitted("preemptionPolicy", Kind::Pointer(&Kind::Text)),
    omitted("overhead", Kind::Map(&Kind::Quantity)),
    omitted("topologySpreadConstraints", Kind::List(&Kind::Struct(&TOPOLOGY_SPREAD_CONSTRAINT))),
    omitted("setHostnameAsFQDN", Kind::Pointer(&Kind::Bool)),
    omitted("os", Kind::Pointer(&Kind::Struct(&POD_OS))),
    omitted("hostUsers", Kind::Pointer(&Kind::Bool)),
    omitted("schedulingGates", Kind::List(&Kind::Struct(&POD_SCHEDULING_GATE))),
    omitted("resourceClaims", Kind::List(&Kind::Struct(&POD_RESOURCE_CLAIM))),
    omitted("resources", Kind::Pointer(&Kind::Struct(&RESOURCE_REQUIREMENTS))),
    omitted("hostnameOverride", Kind::Pointer(&Kind::Text)),
]);
const POD_TEMPLATE_SPEC: Struct = Struct(&[
    kept("metadata", Kind::Struct(&OBJECT_META)),
    kept("spec", Kind::Struct(&POD_SPEC)),
]);
const ROLLOUT_PAUSE: Struct = Struct(&[
    omitted("duration", Kind::Pointer(&Kind::IntOrText)),
]);
const POD_TEMPLATE_METADATA: Struct = Struct(&[
    omitted("labels", Kind::Map(&Kind::Text)),
    omitted("annotations", Kind::Map(&Kind::Text)),
]);
const TEMPLATE_SERVICE: Struct = Struct(&[
    omitted("name", Kind::Text),
]);
const ROLLOUT_EXPERIMENT_TEMPLATE: Struct = Struct(&[
    kept("name", Kind::Text),
    kept("specRef", Kind::Text),
    omitted("replicas", Kind::Pointer(&Kind::Int32)),
    kept("metadata", Kind::Struct(&POD_TEMPLATE_METADATA)),
    omitted("selector", Kind::Pointer(&Kind::Struct(&LABEL_SELECTOR))),
    omitted("weight", Kind::Pointer(&Kind::Int32)),
    omitted("service", Kind::Pointer(&Kind::Struct(&TEMPLATE_SERVICE))),
]);
const FIELD_REF: Struct = Struct(&[
    kept("fieldPath", Kind::Text),
]);
const ARGUMENT_VALUE_FROM: Struct = Struct(&[
    omitted("podTemplateHashValue", Kind::Pointer(&Kind::Text)),
    omitted("fieldRef", Kind::Pointer(&Kind::Struct(&FIELD_REF))),
]);
const ANALYSIS_RUN_ARGUMENT: Struct = Struct(&[
    kept("name", Kind::Text),
    omitted("value", Kind::Text),
    omitted("valueFrom", Kind::Pointer(&Kind::Struct(&ARGUMENT_VALUE_FROM))),
]);
const ROLLOUT_EXPERIMENT_STEP_ANALYSIS_TEMPLATE_REF: Struct = Struct(&[
    kept("name", Kind::Text),
    kept("templateName", Kind::Text),
    omitted("clusterScope", Kind::Pointer(&Kind::Bool)),
    omitted("args", Kind::List(&Kind::Struct(&ANALYSIS_RUN_ARGUMENT))),
    omitted("requiredForCompletion", Kind::Bool),
]);
const DRY_RUN: Struct = Struct(&[
    kept("metricName", Kind::Text),
]);
const ANALYSIS_RUN_METADATA: Struct = Struct(&[
    omitted("labels", Kind::Map(&Kind::Text)),
    omitted("annotations", Kind::Map(&Kind::Text)),
]);
const ROLLOUT_EXPERIMENT_STEP: Struct = Struct(&[
    kept("templates", Kind::List(&Kind::Struct(&ROLLOUT_EXPERIMENT_TEMPLATE))),
    omitted("duration", Kind::Text),
    omitted("analyses", Kind::List(&Kind::Struct(&ROLLOUT_EXPERIMENT_STEP_ANALYSIS_TEMPLATE_REF))),
    omitted("dryRun", Kind::List(&Kind::Struct(&DRY_RUN))),
    kept("analysisRunMetadata", Kind::Struct(&ANALYSIS_RUN_METADATA)),
    omitted("scaleDownDelaySeconds", Kind::Pointer(&Kind::Int32)),
]);
const ANALYSIS_TEMPLATE_REF: Struct = Struct(&[
    kept("templateName", Kind::Text),
    omitted("clusterScope", Kind::Pointer(&Kind::Bool)),
]);
const MEASUREMENT_RETENTION: Struct = Struct(&[
    kept("metricName", Kind::Text),
    kept("limit", Kind::Int32),
]);
const ROLLOUT_ANALYSIS: Struct = Struct(&[
    omitted("templates", Kind::List(&Kind::Struct(&ANALYSIS_TEMPLATE_REF))),
    omitted("args", Kind::List(&Kind::Struct(&ANALYSIS_RUN_ARGUMENT))),
    omitted("dryRun", Kind::List(&Kind::Struct(&DRY_RUN))),
    omitted("measurementRetention", Kind::List(&Kind::Struct(&MEASUREMENT_RETENTION))),
    omitted("analysisRunMetadata", Kind::Pointer(&Kind::Struct(&ANALYSIS_RUN_METADATA))),
]);
const SET_CANARY_SCALE: Struct = Struct(&[
    omitted("weight", Kind::Pointer(&Kind::Int32)),
    omitted("replicas", Kind::Pointer(&Kind::Int32)),
    omitted("matchTrafficWeight", Kind::Bool),
]);
const STRING_MATCH: Struct = Struct(&[
    omitted("exact", Kind::Text),
    omitted("prefix", Kind::Text),
    omitted("regex", Kind::Text),
]);
const HEADER_ROUTING_MATCH: Struct = Struct(&[
    kept("headerName", Kind::Text),
    kept("headerValue", Kind::Pointer(&Kind::Struct(&STRING_MATCH))),
]);
const SET_HEADER_ROUTE: Struct = Struct(&[
    omitted("name", Kind::Text),
    omitted("match", Kind::List(&Kind::Struct(&HEADER_ROUTING_MATCH))),
]);
const ROUTE_MATCH: Struct = Struct(&[
    omitted("method", Kind::Pointer(&Kind::Struct(&STRING_MATCH))),
    omitted("path", Kind::Pointer(&Kind::Struct(&STRING_MATCH))),
    omitted("headers", Kind::Map(&Kind::Struct(&STRING_MATCH))),
]);
const SET_MIRROR_ROUTE: Struct = Struct(&[
    kept("name", Kind::Text),
    omitted("match", Kind::List(&Kind::Struct(&ROUTE_MATCH))),
    omitted("percentage", Kind::Pointer(&Kind::Int32)),
]);
const PLUGIN_STEP: Struct = Struct(&[
    kept("name", Kind::Text),
    omitted("config", Kind::Raw),
]);
const CANARY_STEP: Struct = Struct(&[
    omitted("setWeight", Kind::Pointer(&Kind::Int32)),
    omitted("pause", Kind::Pointer(&Kind::Struct(&ROLLOUT_PAUSE))),
    omitted("experiment", Kind::Pointer(&Kind::Struct(&ROLLOUT_EXPERIMENT_STEP))),
    omitted("analysis", Kind::Pointer(&Kind::Struct(&ROLLOUT_ANALYSIS))),
    omitted("setCanaryScale", Kind::Pointer(&Kind::Struct(&SET_CANARY_SCALE))),
    omitted("setHeaderRoute", Kind::Pointer(&Kind::Struct(&SET_HEADER_ROUTE))),
    omitted("setMirrorRoute", Kind::Pointer(&Kind::Struct(&SET_MIRROR_ROUTE))),
    omitted("plugin", Kind::Pointer(&Kind::Struct(&PLUGIN_STEP))),
]);
